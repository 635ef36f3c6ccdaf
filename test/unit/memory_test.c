/*
 * Memory in depth: allocators, arenas and shared buffers, each also when the
 * n-th allocation fails. base_test.c shows the basics; this test checks exact
 * numbers: growth, the memory that a reset keeps, and poisoned bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/poison.h"
#include "failing_alloc.h"
#include "protocol/send_queue.h"

enum {
    KIB = 1024,
    BLOCK_HEAD = 16 /* the header of an arena's block */
};

static void test_alloc_zero(void **state)
{
    struct failing_alloc failing;
    (void)state;
    failing_alloc_init(&failing, 0);
    uint8_t *zeros = zkt__alloc_zero(&failing.allocator, 5, 3);
    assert_non_null(zeros);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(zeros[i], 0);
    }
    void *nothing = zkt__alloc_zero(&failing.allocator, 0, 8);
    assert_non_null(nothing);
    assert_int_equal(failing.live, 2);

    /* The product would be 0 modulo 2^64: the allocator must not be called. */
    const long calls = failing.calls;
    assert_null(zkt__alloc_zero(&failing.allocator, SIZE_MAX / 2 + 1, 2));
    assert_int_equal(failing.calls, calls);

    zkt__release(&failing.allocator, NULL);
    zkt__release(&failing.allocator, zeros);
    zkt__release(&failing.allocator, nothing);
    assert_int_equal(failing.live, 0);
}

static void test_resize_failure_keeps_block(void **state)
{
    struct failing_alloc failing;
    (void)state;
    failing_alloc_init(&failing, 2);
    char *block = zkt__alloc(&failing.allocator, 4);
    assert_non_null(block);
    memcpy(block, "abc", 4);
    assert_null(zkt__resize(&failing.allocator, block, 4000));
    assert_string_equal(block, "abc");
    char *grown = zkt__resize(&failing.allocator, block, 4000);
    assert_non_null(grown);
    assert_string_equal(grown, "abc");
    assert_int_equal(failing.live, 1);
    zkt__release(&failing.allocator, grown);
    assert_int_equal(failing.live, 0);
}

static void test_arena_growth(void **state)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    assert_int_equal(failing.calls, 0);
    for (uint32_t i = 0; i < 64 * KIB; i++) {
        uint32_t *piece = zkt__arena_alloc(&arena, sizeof(*piece));
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % 16, 0);
        *piece = i;
    }
    /* 1 + 2 + 4 + 8 + 16 + 32 KiB, then 64 KiB at a time: 1 MiB and heads. */
    assert_int_equal(failing.calls, 6 + 16);
    assert_int_equal(failing.live, 6 + 16);
    zkt__arena_finish(&arena);
    assert_int_equal(failing.live, 0);
    zkt__arena_finish(&arena);
}

/* Allocates @size in an empty arena, resets it and returns the number of blocks
 * kept. */
static long kept_after(size_t size)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    assert_non_null(zkt__arena_alloc(&arena, size));
    zkt__arena_reset(&arena);
    const long kept = failing.live;
    zkt__arena_finish(&arena);
    assert_int_equal(failing.live, 0);
    return kept;
}

static void test_arena_reset(void **state)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    (void)state;
    assert_int_equal(kept_after(1), 1);
    assert_int_equal(kept_after(64 * KIB - BLOCK_HEAD), 1);
    assert_int_equal(kept_after(64 * KIB), 0);

    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    zkt__arena_reset(&arena);
    assert_int_equal(failing.calls, 0);
    long settled = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++) {
            assert_non_null(zkt__arena_zero(&arena, 10, 10));
        }
        zkt__arena_reset(&arena);
        assert_int_equal(failing.live, 1);
        settled = round == 10 ? failing.calls : settled;
    }
    assert_int_equal(failing.calls, settled);

    /* The largest block is kept: the same amount again needs no memory. */
    assert_non_null(zkt__arena_alloc(&arena, 40 * KIB));
    assert_non_null(zkt__arena_alloc(&arena, 60 * KIB));
    assert_non_null(zkt__arena_alloc(&arena, 100 * KIB));
    assert_non_null(zkt__arena_alloc(&arena, 8));
    zkt__arena_reset(&arena);
    const long calls = failing.calls;
    assert_non_null(zkt__arena_alloc(&arena, 60 * KIB));
    assert_int_equal(failing.calls, calls);
    zkt__arena_finish(&arena);
    assert_int_equal(failing.live, 0);
}

/* Every allocation fails once; earlier contents stay as they were. */
static void test_arena_failures(void **state)
{
    enum {
        PIECES = 40,
        SIZE = 3000
    };
    (void)state;
    long calls = 1;
    for (long fail_at = 1; fail_at <= calls; fail_at++) {
        struct failing_alloc failing;
        struct zkt_arena arena;
        uint8_t *pieces[PIECES];
        int failures = 0;
        failing_alloc_init(&failing, fail_at);
        zkt__arena_init(&arena, &failing.allocator);
        for (int i = 0; i < PIECES; i++) {
            pieces[i] = zkt__arena_alloc(&arena, SIZE);
            if (pieces[i] == NULL) {
                failures++;
                pieces[i] = zkt__arena_alloc(&arena, SIZE);
            }
            assert_non_null(pieces[i]);
            memset(pieces[i], i, SIZE);
        }
        for (int i = 0; i < PIECES; i++) {
            assert_int_equal(pieces[i][0], i);
            assert_int_equal(pieces[i][SIZE - 1], i);
        }
        assert_int_equal(failures, 1);
        calls = failing.calls - 1;
        zkt__arena_finish(&arena);
        assert_int_equal(failing.live, 0);
    }
    assert_true(calls >= 3);
}

static void test_arena_zero(void **state)
{
    struct zkt_arena arena;
    (void)state;
    zkt__arena_init(&arena, &zkt__allocator_default);
    void *dirty = zkt__arena_alloc(&arena, 100);
    assert_non_null(dirty);
    memset(dirty, 0xff, 100);
    zkt__arena_reset(&arena);
    const uint8_t *zeros = zkt__arena_zero(&arena, 10, 10);
    assert_ptr_equal(zeros, dirty);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(zeros[i], 0);
    }
    zkt__arena_finish(&arena);
}

static void test_arena_impossible_sizes(void **state)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    /* The size exceeds SIZE_MAX with the block's header; the allocator is not
     * called. */
    for (size_t less = 0; less < 2 * BLOCK_HEAD; less++) {
        assert_null(zkt__arena_alloc(&arena, SIZE_MAX - less));
    }
    assert_null(zkt__arena_zero(&arena, SIZE_MAX / 2 + 1, 2));
    const struct zkt_str huge = { "x", SIZE_MAX };
    assert_null(zkt__arena_str(&arena, huge).data);
    assert_int_equal(failing.calls, 0);
    zkt__arena_finish(&arena);
}

static void test_arena_str(void **state)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    const struct zkt_str copy = zkt__arena_str(&arena, ZKT_STR("a\0b"));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.data, "a\0b", 4);
    const struct zkt_str empty = zkt__arena_str(&arena,
                                                (struct zkt_str){ NULL, 0 });
    assert_string_equal(empty.data, "");
    assert_int_equal(empty.len, 0);
    zkt__arena_finish(&arena);

    failing.fail_at = failing.calls + 1;
    const struct zkt_str none = zkt__arena_str(&arena, ZKT_STR("abc"));
    assert_null(none.data);
    assert_int_equal(none.len, 0);
    assert_int_equal(failing.live, 0);
}

static void test_arena_allocator(void **state)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    const struct zkt_allocator a = zkt__arena_allocator(&arena);
    char *block = zkt__alloc(&a, 8);
    assert_non_null(block);
    memcpy(block, "1234567", 8);
    assert_ptr_equal(zkt__resize(&a, block, 160), block);
    assert_string_equal(block, "1234567");
    char *other = zkt__alloc(&a, 8);
    char *moved = zkt__resize(&a, block, 320);
    assert_ptr_not_equal(moved, block);
    assert_string_equal(moved, "1234567");
    assert_string_equal(block, "1234567"); /* not the newest: it stays */
    assert_null(zkt__resize(&a, moved, SIZE_MAX));
    zkt__release(&a, moved);
    assert_ptr_equal(zkt__alloc(&a, 320), moved);
    zkt__release(&a, other);
    assert_int_equal(failing.live, 1);
    char *large = zkt__alloc(&a, 100 * KIB);
    assert_int_equal(failing.live, 2);
    zkt__release(&a, large);
    assert_int_equal(failing.live, 1);
    zkt__release(&a, NULL);
    zkt__arena_finish(&arena);
    assert_int_equal(failing.live, 0);
}

/* An array grows in place while there is room, then moves to its own block. */
static void test_arena_resize(void **state)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    uint32_t *items = NULL;
    size_t count = 0;
    for (size_t next = 4; next <= 256 * KIB; next *= 2) {
        items = zkt__arena_resize(&arena, items, count * sizeof(*items),
                                  next * sizeof(*items));
        assert_non_null(items);
        for (; count < next; count++) {
            items[count] = (uint32_t)count;
        }
        /* The smaller halves together are no larger than a block. */
        assert_true(arena.size <= next * sizeof(*items) + 130 * KIB);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(items[i], i);
    }
    const size_t size = arena.size;
    void *small = zkt__arena_alloc(&arena, 100); /* where there was room */
    assert_non_null(small);
    assert_int_equal(arena.size, size);
    items = zkt__arena_shrink(&arena, items, count * sizeof(*items),
                              count / 2 * sizeof(*items));
    assert_int_equal(size - arena.size, count / 2 * sizeof(*items));
    assert_int_equal(items[count / 2 - 1], count / 2 - 1);
    assert_ptr_equal(
        zkt__arena_shrink(&arena, items, count / 2 * sizeof(*items), 16),
        items);
    zkt__arena_release(&arena, items, count / 2 * sizeof(*items));
    zkt__arena_release(&arena, NULL, 5);
    assert_true(arena.size <= 130 * KIB);
    zkt__arena_reset(&arena);
    assert_int_equal(failing.live, 1);
    zkt__arena_finish(&arena);
    assert_int_equal(failing.live, 0);
}

static void test_arena_newest(void **state)
{
    struct zkt_arena arena;
    (void)state;
    zkt__arena_init(&arena, &zkt__allocator_default);
    char *first = zkt__arena_alloc(&arena, 100);
    char *second = zkt__arena_alloc(&arena, 100);
    memset(second, 's', 100);
    assert_ptr_equal(zkt__arena_shrink(&arena, first, 100, 10), first);
    assert_ptr_equal(zkt__arena_shrink(&arena, second, 100, 10), second);
    assert_ptr_equal(zkt__arena_alloc(&arena, 10), second + 16);
    assert_ptr_equal(zkt__arena_resize(&arena, second + 16, 10, 20),
                     second + 16);
    zkt__arena_release(&arena, second + 16, 20);
    zkt__arena_release(&arena, first, 100); /* it is not the newest */
    char *moved = zkt__arena_resize(&arena, second, 10, 5000);
    assert_memory_equal(moved, "ssssssssss", 10);
    zkt__arena_finish(&arena);
}

/* A failure changes nothing; neither does reaching the limit, which is
 * counted. */
static void test_arena_resize_failures(void **state)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    uint64_t reached = 0;
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    char *large = zkt__arena_alloc(&arena, 100 * KIB);
    char *older = zkt__arena_alloc(&arena, 70 * KIB);
    char *newer = zkt__arena_alloc(&arena, 80 * KIB);
    large[0] = 'l';
    const size_t size = arena.size;
    failing.fail_at = failing.calls + 1;
    failing.fail_count = 3;
    assert_null(zkt__arena_resize(&arena, large, 100 * KIB, 200 * KIB));
    assert_null(zkt__arena_resize(&arena, NULL, 0, 100));
    assert_null(zkt__arena_alloc(&arena, 100 * KIB));
    failing.fail_at = 0;
    assert_null(zkt__arena_resize(&arena, large, 100 * KIB, SIZE_MAX - 5));
    arena.limit = size + 1;
    arena.limit_hits = &reached;
    assert_null(zkt__arena_resize(&arena, large, 100 * KIB, 200 * KIB));
    assert_int_equal(reached, 1);
    assert_int_equal(arena.size, size);
    assert_int_equal(large[0], 'l');
    zkt__arena_release(&arena, older, 70 * KIB);
    large = zkt__arena_resize(&arena, large, 100 * KIB, 120 * KIB);
    assert_int_equal(large[0], 'l');
    zkt__arena_release(&arena, newer, 80 * KIB);
    assert_int_equal(failing.live, 1);
    zkt__arena_finish(&arena);
    assert_int_equal(failing.live, 0);
}

/* Checks anything only with the address sanitizer. */
static void test_arena_poison(void **state)
{
    struct zkt_arena arena;
    (void)state;
    zkt__arena_init(&arena, &zkt__allocator_default);
    const char *first = zkt__arena_alloc(&arena, 20);
    assert_non_null(first);
#ifdef ZKT_WITH_ASAN
    assert_false(__asan_address_is_poisoned(first));
    assert_false(__asan_address_is_poisoned(first + 19));
    assert_true(__asan_address_is_poisoned(first + 20));
    assert_true(__asan_address_is_poisoned(first + 32));
    zkt__arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(first));
#endif
    zkt__arena_finish(&arena);
}

static void test_buffer(void **state)
{
    struct failing_alloc failing;
    (void)state;
    failing_alloc_init(&failing, 2);
    struct zkt_buffer *buffer = zkt__buffer_new(&failing.allocator, 100);
    assert_non_null(buffer);
    assert_int_equal(buffer->len, 100);
    memset(buffer->data, 7, 100);
    assert_ptr_equal(zkt__buffer_ref(buffer), buffer);
    zkt__buffer_unref(buffer);
    assert_int_equal(failing.live, 1);
    assert_int_equal(buffer->data[99], 7);
    assert_null(zkt__buffer_new(&failing.allocator, 1));
    zkt__buffer_unref(buffer);
    zkt__buffer_unref(NULL);
    assert_int_equal(failing.live, 0);

    struct zkt_buffer *empty = zkt__buffer_new(&failing.allocator, 0);
    assert_non_null(empty);
    assert_int_equal(empty->len, 0);
    zkt__buffer_unref(empty);
    /* A length that does not fit into 32 bits. */
    const long calls = failing.calls;
    assert_null(zkt__buffer_new(&failing.allocator, (size_t)UINT32_MAX + 1));
    assert_int_equal(failing.calls, calls);
    assert_int_equal(failing.live, 0);
}

/* A queue takes the buffer that another queue has sent as its next buffer. A
 * buffer with unusually many bytes is not kept; a shared buffer is not
 * touched. */
static void test_spare_buffer(void **state)
{
    struct failing_alloc failing;
    struct zkt_send_queue one = { 0 }, other = { 0 };
    struct zkt_buffer *spare = NULL;
    struct zkt_slice slice;
    static char large[4096];
    (void)state;
    failing_alloc_init(&failing, 0);
    const struct zkt_allocator *a = &failing.allocator;
    assert_true(zkt__queue_copy(&one, a, &spare, "abc", 3));
    zkt__queue_sent(&one, a, &spare, 1);
    assert_null(spare);
    zkt__queue_sent(&one, a, &spare, 2);
    assert_non_null(spare);
    const uint8_t *const kept = spare->data;
    assert_true(zkt__queue_copy(&other, a, &spare, large, sizeof(large)));
    zkt__queue_sent(&other, a, &spare, sizeof(large));
    assert_ptr_equal(spare->data, kept);
    assert_true(zkt__queue_copy(&other, a, &spare, "de", 2));
    assert_null(spare);
    assert_int_equal(zkt__queue_peek(&other, &slice, 1), 1);
    assert_ptr_equal(slice.data, kept);
    assert_int_equal(slice.len, 2);
    assert_memory_equal(slice.data, "de", 2);
    zkt__queue_finish(&other, a);
    assert_null(spare);

    struct zkt_buffer *shared = zkt__buffer_new(a, 4);
    assert_true(zkt__queue_shared(&one, a, shared));
    zkt__queue_sent(&one, a, &spare, 4);
    assert_null(spare);
    zkt__buffer_unref(shared);
    assert_int_equal(failing.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_zero),
        cmocka_unit_test(test_resize_failure_keeps_block),
        cmocka_unit_test(test_arena_growth),
        cmocka_unit_test(test_arena_reset),
        cmocka_unit_test(test_arena_failures),
        cmocka_unit_test(test_arena_zero),
        cmocka_unit_test(test_arena_impossible_sizes),
        cmocka_unit_test(test_arena_str),
        cmocka_unit_test(test_arena_allocator),
        cmocka_unit_test(test_arena_resize),
        cmocka_unit_test(test_arena_newest),
        cmocka_unit_test(test_arena_resize_failures),
        cmocka_unit_test(test_arena_poison),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_spare_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
