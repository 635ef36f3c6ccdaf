/*
 * The parts of mailboxes: the queue that other threads post into, both ends of
 * the list, and copies of values in one block.
 */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/work_queue.h"
#include "failing_alloc.h"
#include "slow_types.h"
#include "json/json.h"

struct job {
    struct zkt_work posted;
    char name;
    struct job *next; /* posted when this job runs */
    struct zkt_work_queue *queue;
};

static void run_job(struct zkt_work *posted, void *owner)
{
    struct job *job = (struct job *)(void *)posted;
    char *ran = owner;
    ran[strlen(ran)] = job->name;
    if (job->next != NULL) {
        assert_true(zkt__work_post(job->queue, &job->next->posted));
    }
}

static void count(void *user)
{
    (*(int *)user)++;
}

static void test_posting(void **state)
{
    struct failing_alloc alloc;
    char ran[8] = "";
    int woken = 0;
    (void)state;
    failing_alloc_init(&alloc, 0);
    struct zkt_work_queue *queue = zkt__work_queue_new(&alloc.allocator);
    struct job c = { { NULL, run_job }, 'c', NULL, queue };
    struct job a = { { NULL, run_job }, 'a', &c, queue };
    struct job b = { { NULL, run_job }, 'b', NULL, queue };
    assert_true(zkt__work_post(queue, &a.posted));
    assert_true(zkt__work_is_pending(queue));
    zkt__work_queue_on_wake(queue, count, &woken);
    assert_int_equal(woken, 1); /* for the first */
    assert_true(zkt__work_post(queue, &b.posted));
    assert_int_equal(woken, 2);
    zkt__work_run(queue, ran, ZKT_WORK_ALL);
    assert_string_equal(ran, "ab"); /* new work waits for the next run */
    assert_int_equal(woken, 3);
    assert_true(zkt__work_is_pending(queue));
    zkt__work_close(queue);
    assert_false(zkt__work_post(queue, &b.posted));
    assert_int_equal(woken, 3);
    zkt__work_run(queue, ran, ZKT_WORK_ALL);
    assert_string_equal(ran, "abc");
    assert_false(zkt__work_is_pending(queue));
    zkt__work_run(queue, ran, ZKT_WORK_ALL);
    assert_string_equal(ran, "abc");
    zkt__work_queue_ref(queue);
    zkt__work_queue_unref(queue);
    assert_int_equal(alloc.live, 1);
    zkt__work_queue_unref(queue);
    assert_int_equal(alloc.live, 0);
    zkt__work_queue_unref(NULL);
    failing_alloc_init(&alloc, 1);
    assert_null(zkt__work_queue_new(&alloc.allocator));
}

/* The rest stays in order and ahead of new work. */
static void test_running_a_portion(void **state)
{
    char ran[16] = "";
    struct zkt_work_queue *queue = zkt__work_queue_new(&zkt__allocator_default);
    struct job jobs[6];
    (void)state;
    for (int i = 0; i < 6; i++) {
        jobs[i] =
            (struct job){ { NULL, run_job }, (char)('a' + i), NULL, queue };
    }
    for (int i = 0; i < 5; i++) {
        assert_true(zkt__work_post(queue, &jobs[i].posted));
    }
    zkt__work_run(queue, ran, 0);
    assert_string_equal(ran, "");
    zkt__work_run(queue, ran, 2);
    assert_string_equal(ran, "ab");
    assert_true(zkt__work_is_pending(queue));
    assert_true(zkt__work_post(queue, &jobs[5].posted));
    zkt__work_run(queue, ran, 3);
    assert_string_equal(ran, "abcde");
    assert_true(zkt__work_is_pending(queue));
    zkt__work_run(queue, ran, 3);
    assert_string_equal(ran, "abcdef");
    assert_false(zkt__work_is_pending(queue));
    assert_true(zkt__work_post(queue, &jobs[0].posted));
    zkt__work_run(queue, ran, 1);
    assert_string_equal(ran, "abcdefa");
    assert_false(zkt__work_is_pending(queue));
    assert_true(zkt__work_post(queue, &jobs[0].posted));
    zkt__work_run(queue, ran, ZKT_WORK_ALL);
    assert_string_equal(ran, "abcdefaa");
    zkt__work_queue_unref(queue);
}

static void test_both_ends_of_a_list(void **state)
{
    struct zkt_list list;
    struct zkt_node a = { NULL, NULL }, b = a, c = a;
    (void)state;
    zkt__list_init(&list);
    zkt__list_prepend(&list, &b);
    zkt__list_append(&list, &c);
    zkt__list_prepend(&list, &a);
    assert_ptr_equal(zkt__list_first(&list), &a);
    assert_ptr_equal(zkt__list_after(&list, &a), &b);
    assert_ptr_equal(zkt__list_after(&list, &b), &c);
    assert_null(zkt__list_after(&list, &c));
    zkt__node_unlink(&a);
    assert_ptr_equal(zkt__list_first(&list), &b);
    zkt__list_prepend(&list, &a);
    assert_ptr_equal(list.head.prev, &c);
    assert_ptr_equal(b.prev, &a);
}

/* A copy fills a block of exactly the measured size. */
static void test_a_copy_in_a_block(void **state)
{
    const int32_t sizes[] = { 1, 2, 3 };
    const struct slow_part parent = { .name = ZKT_STR("the parent") };
    const struct slow_part part = {
        .name = ZKT_STR("sixteen letters!"),
        .sizes = { sizes, 3 },
        .parent = &parent,
    };
    (void)state;
    const size_t size = zkt__value_measure(&slow_part_type_, &part);
    char *block = malloc(size);
    assert_non_null(block);
    const struct slow_part *copy = zkt__value_dup_into(&slow_part_type_, &part,
                                                       block);
    assert_ptr_equal(copy, block);
    assert_string_equal(copy->name.data, "sixteen letters!");
    assert_int_equal(copy->sizes.len, 3);
    assert_int_equal(copy->sizes.items[2], 3);
    assert_string_equal(copy->parent->name.data, "the parent");
    const char *inside[] = { copy->name.data, (const char *)copy->sizes.items,
                             (const char *)copy->parent,
                             copy->parent->name.data };
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        assert_true(inside[i] > block && inside[i] < block + size);
        assert_int_equal((uintptr_t)inside[i] % alignof(max_align_t), 0);
    }
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posting),
        cmocka_unit_test(test_running_a_portion),
        cmocka_unit_test(test_both_ends_of_a_list),
        cmocka_unit_test(test_a_copy_in_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
