/*
 * The syntax of the .zkt language, LALR(1) without conflicts. Actions make
 * nodes and do nothing else; reserved constructs, which this compiler does not
 * build yet, are noted at their place.
 */
%define api.pure full
%define api.prefix {zkt_}
%define api.location.type {struct source_range}
%define parse.error custom
%define parse.lac full
%define lr.default-reduction consistent
%locations
%expect 0
%lex-param   { void *scanner } { struct parse *p }
%parse-param { void *scanner } { struct parse *p }

%code requires {
#include "syntax/parse.h"
}
%code {
#define YYLLOC_DEFAULT(current, rhs, n)                                        \
    do {                                                                       \
        if (n) {                                                               \
            (current).start = YYRHSLOC(rhs, 1).start;                          \
            (current).end = YYRHSLOC(rhs, n).end;                              \
        } else {                                                               \
            (current).start = (current).end = YYRHSLOC(rhs, 0).end;            \
        }                                                                      \
    } while (0)

#include <string.h>

int zkt_lex(ZKT_STYPE *value, ZKT_LTYPE *at, void *scanner);
static int next_token(ZKT_STYPE *value, ZKT_LTYPE *at, void *scanner,
                      struct parse *p);
#undef yylex
#define yylex next_token
static void zkt_error(ZKT_LTYPE *at, void *scanner, struct parse *p,
                      const char *text);

#define NEW(type)       ARENA_NEW(p->arena, struct type)
#define APPEND(list, node)                                                     \
    parse_append(p, &(list), (node),                                           \
                 (list).last != NULL ? (void **)&((__typeof__(node))(list).last)->next : NULL)
/* Goes on after a mistake, unless there are too many. */
#define RECOVER                                                                \
    do {                                                                       \
        yyerrok;                                                               \
        p->is_recovering = false;                                              \
        p->depth = 0;                                                          \
        if (p->diag->errors > DIAG_ERRORS_MAX) {                               \
            YYABORT;                                                           \
        }                                                                      \
    } while (0)
#define NO_LIST         ((struct ast_list){ NULL, NULL, { 0, 0 } })
/* Puts a list of names behind another. */
#define JOIN(list, tail)                                                       \
    do {                                                                       \
        if ((list).last != NULL) {                                             \
            ((struct ast_names *)(list).last)->next = (tail).first;            \
        } else {                                                               \
            (list).first = (tail).first;                                       \
        }                                                                      \
        (list).last = (tail).last;                                             \
    } while (0)
#define RESERVED(at, what) parse_unsupported(p, at, what)
/* Reports a modifier of a method that stands there already. */
#define ONCE(is_there, at, word)                                               \
    do {                                                                       \
        if (is_there) {                                                        \
            diag_report(p->diag, (at), DIAG_DUPLICATE_MODIFIER, (word));       \
        }                                                                      \
    } while (0)
}

%union {
    const char *text;
    struct ast_name name;
    struct ast_list list;
    struct ast_type *type;
    struct ast_rule *rule;
    struct ast_number number;
    struct ast_value *value;
    struct ast_field *field;
    struct ast_decl *decl;
    struct ast_member *member;
    struct ast_payload payload;
    struct ast_limit *limit;
    struct ast_data *data;
    struct {
        struct ast_list fields, hooks, uses, after, throws, limits, sources, readers;
        struct ast_name timeout;
        struct ast_type *progress;
        struct source_range interleave;
    } parts;
    struct {
        struct ast_type *result, *chunk;
    } outcome;
}

%token <text> IDENTIFIER "a name" STRING "a string" PATTERN "a pattern"
%token <text> INTEGER "a whole number" NUMBER "a number" QUANTITY "a quantity"
%token <text> RATE "a rate" STRAY "a stray character"
/* Behind a mistake: braces and all between them. */
%token BLOCK "a block"
%token DOTS "'..'" ELLIPSIS "'...'" ARROW "'->'"
%token <text> APP "app" IMPORT "import" ENUM "enum" STRUCT "struct" STRICT "strict"
%token <text> TYPE "type" UNION "union" BY "by" ACTOR "actor" STATE "state" PRIVATE "private"
%token <text> METHOD "method" EVENT "event" ON "on" USE "use" NULL_ "null" MAP "map" CHECK "check"
%token <text> MIDDLEWARE "middleware" AFTER "after" CONNECTION "connection" ERROR "error"
%token <text> THROWS "throws" LIMIT "limit" BURST "burst" TIMEOUT "timeout" PROGRESS "progress"
%token <text> STREAM "stream" TIMER "timer" EVERY "every" DURABLE "durable" HIBERNATE "hibernate"
%token <text> SYNC "sync" AUDIENCE "audience" TO "to" PRESENCE "presence" BROADCAST "broadcast"
%token <text> CALLS "calls" FROM "from" INTERNAL "internal" INTERLEAVE "interleave"
%token <text> IDEMPOTENT "idempotent" VERSION "version" TRANSIENT "transient"
%token <text> SUBSCRIBE "subscribe" SESSION "session" GRACE "grace"

%type <name> name field_name type_name by_opt every_opt
%type <text> word word_but_stream
/* A field called 'from' behind a forgotten ';' is taken for a source. */
%precedence FORGOTTEN
%precedence TO FROM TRANSIENT

%type <list> arms arm_list elements
%type <data> data_opt
%type <parts> connection_members middleware_mods actor_mods method_mods field_mods
%type <limit> limit
%type <list> enum_values enum_list fields struct_members actor_members params param_list
%type <list> names rules rules_opt values values_opt members members_opt
%type <decl> decl
%type <field> field include param arm
%type <member> actor_member method
%type <outcome> method_result outcome
%type <payload> payload_opt method_input
%type <type> type postfix primary element
%type <rule> rule
%type <number> bound number burst_opt
%type <value> value default_opt member wire_opt

%%
file: decls;
decls: %empty
    | decls decl                        { if ($decl != NULL) { struct ast_list l = { p->file->decls, p->last_decl, { 0, 0 } }; APPEND(l, $decl); p->file->decls = l.first; p->last_decl = l.last; } }
    ;

decl: APP name end                      { $$ = NEW(ast_decl); $$->kind = AST_DECL_APP; $$->name = $name; $$->doc = parse_doc(p, @$); }
    | IMPORT STRING end                 { $$ = NEW(ast_decl); $$->kind = AST_DECL_IMPORT; $$->import = parse_string(p, @STRING, $STRING, @STRING.end - @STRING.start); $$->name = (struct ast_name){ $$->import->text, @STRING }; }
    | ENUM name '{' enum_values '}'     { $$ = NEW(ast_decl); $$->kind = AST_DECL_ENUM; $$->name = $name; $$->values = $enum_values.first; $$->doc = parse_doc(p, @$); }
    | ENUM name '{' error '}'           { $$ = NULL; RECOVER; }
    | STRUCT name '{' struct_members '}'
                                        { $$ = NEW(ast_decl); $$->kind = AST_DECL_STRUCT; $$->name = $name; $$->fields = $struct_members.first; $$->check = $struct_members.check; $$->doc = parse_doc(p, @$); }
    | STRICT STRUCT name '{' struct_members '}'
                                        { $$ = NEW(ast_decl); $$->kind = AST_DECL_STRUCT; $$->name = $name; $$->fields = $struct_members.first; $$->check = $struct_members.check; $$->strict = true; $$->doc = parse_doc(p, @$); }
    | TYPE name '=' type end            { $$ = NEW(ast_decl); $$->kind = AST_DECL_TYPE; $$->name = $name; $$->type = $type; $$->doc = parse_doc(p, @$); }
    | UNION name BY field_name '{' arms '}'
                                        { $$ = NEW(ast_decl); $$->kind = AST_DECL_UNION; $$->name = $2; $$->by = $4; $$->fields = $arms.first; $$->doc = parse_doc(p, @$); }
    | UNION name BY field_name '{' error '}'
                                        { $$ = NULL; RECOVER; }
    | ACTOR name actor_mods '{' actor_members '}'
                                        { $$ = NEW(ast_decl); $$->kind = AST_DECL_ACTOR; $$->name = $name; $$->uses = $actor_mods.uses.first; $$->members = $actor_members.first; $$->doc = parse_doc(p, @$); }
    | MIDDLEWARE name middleware_mods '{' fields '}'
                                        { $$ = NEW(ast_decl); $$->kind = AST_DECL_MIDDLEWARE; $$->name = $name; $$->after = $middleware_mods.after.first; $$->throws = $middleware_mods.throws.first; $$->fields = $fields.first; $$->doc = parse_doc(p, @$); }
    | MIDDLEWARE name middleware_mods '{' fields '}' THROWS names list_end
                                        { $$ = NULL; diag_report(p->diag, @THROWS, DIAG_SYNTAX, "'throws' stands before the '{' of a middleware"); }
    | CONNECTION '{' connection_members '}' data_opt
                                        { $$ = NEW(ast_decl); $$->kind = AST_DECL_CONNECTION; $$->name = (struct ast_name){ $CONNECTION, @CONNECTION }; $$->fields = $3.fields.first; $$->hooks = $3.hooks.first; $$->throws = $3.throws.first; $$->data = $data_opt; $$->doc = parse_doc(p, @$); }
    | ERROR name payload_opt '=' name end
                                        { $$ = NEW(ast_decl); $$->kind = AST_DECL_ERROR; $$->name = $2; $$->payload = $payload_opt; $$->code = $5; $$->doc = parse_doc(p, @$); }
    | BROADCAST name payload_opt end    { $$ = NEW(ast_decl); $$->kind = AST_DECL_BROADCAST; $$->name = $name; $$->payload = $payload_opt; $$->doc = parse_doc(p, @$); }
    | error ';'                         { $$ = NULL; RECOVER; }
    | error '}'                         { $$ = NULL; RECOVER; }
    | error BLOCK                       { $$ = NULL; RECOVER; }
    ;

enum_values: %empty                     { $$ = NO_LIST; }
    | enum_list
    | enum_list ','
    ;
enum_list: name wire_opt                { struct ast_enum_value *v = NEW(ast_enum_value); v->name = $name; v->wire = $wire_opt; v->doc = parse_doc(p, @name); $$ = NO_LIST; APPEND($$, v); }
    | enum_list ',' name wire_opt       { struct ast_enum_value *v = NEW(ast_enum_value); v->name = $name; v->wire = $wire_opt; v->doc = parse_doc(p, @name); $$ = $1; APPEND($$, v); }
    ;
wire_opt: %empty                        { $$ = NULL; }
    | '=' STRING                        { $$ = parse_string(p, @STRING, $STRING, @STRING.end - @STRING.start); }
    ;

arms: %empty                            { $$ = NO_LIST; }
    | arm_list
    | arm_list ','
    ;
arm_list: arm                           { $$ = NO_LIST; APPEND($$, $arm); }
    | arm_list ',' arm                  { $$ = $1; APPEND($$, $arm); }
    ;
arm: field_name ':' type                { $$ = NEW(ast_field); $$->name = $field_name; $$->type = $type; $$->doc = parse_doc(p, @field_name); };
middleware_mods: %empty                 { memset(&$$, 0, sizeof($$)); }
    | middleware_mods AFTER names       { $$ = $1; JOIN($$.after, $names); }
    | middleware_mods THROWS names      { $$ = $1; JOIN($$.throws, $names); }
    ;
connection_members: %empty              { memset(&$$, 0, sizeof($$)); }
    | connection_members field          { $$ = $1; APPEND($$.fields, $field); }
    | connection_members ON names list_end
                                        { $$ = $1; JOIN($$.hooks, $names); }
    | connection_members THROWS names list_end
                                        { $$ = $1; JOIN($$.throws, $names); }
    | connection_members SESSION GRACE QUANTITY ';'
                                        { $$ = $1; RESERVED(@SESSION, "'session'"); }
    | connection_members IDENTIFIER ';' { $$ = $1; parse_stray_word(p, @IDENTIFIER, $IDENTIFIER); }
    | connection_members error ';'      { $$ = $1; RECOVER; }
    | connection_members error BLOCK    { $$ = $1; RECOVER; }
    ;
data_opt: %empty                        { $$ = NULL; }
    | ARROW '{' fields '}'              { $$ = NEW(ast_data); $$->at = @ARROW; $$->fields = $fields.first; }
    ;
names: name                             { struct ast_names *n = NEW(ast_names); n->name = $name; $$ = NO_LIST; APPEND($$, n); }
    | names ',' name                    { struct ast_names *n = NEW(ast_names); n->name = $name; $$ = $1; APPEND($$, n); }
    ;

struct_members: %empty                  { $$ = NO_LIST; }
    | struct_members field              { $$ = $1; APPEND($$, $field); }
    | struct_members include            { $$ = $1; APPEND($$, $include); }
    | struct_members CHECK ';'          { $$ = $1; if ($$.check.end > 0) { diag_report(p->diag, @CHECK, DIAG_DUPLICATE_RULE); } $$.check = @CHECK; }
    | struct_members IDENTIFIER ';'     { $$ = $1; parse_stray_word(p, @IDENTIFIER, $IDENTIFIER); }
    | struct_members error ';'          { $$ = $1; RECOVER; }
    | struct_members error BLOCK        { $$ = $1; RECOVER; }
    ;
include: ELLIPSIS name end               { $$ = NEW(ast_field); $$->name = $name; $$->is_include = true; };
fields: %empty                          { $$ = NO_LIST; }
    | fields field                      { $$ = $1; APPEND($$, $field); }
    | fields IDENTIFIER ';'             { $$ = $1; parse_stray_word(p, @IDENTIFIER, $IDENTIFIER); }
    | fields error ';'                  { $$ = $1; RECOVER; }
    | fields error BLOCK                { $$ = $1; RECOVER; }
    ;
field: field_name ':' type default_opt field_mods end
                                        { $$ = NEW(ast_field); $$->name = $field_name; $$->type = $type; $$->value = $default_opt; $$->sources = $field_mods.sources.first; $$->readers = $field_mods.readers.first; $$->doc = parse_doc(p, @field_name); }
    ;
/* The end of a declaration. A missing ';' is reported, and the next
 * declaration is read; but `optional;` behind a type is no declaration. */
end: ';'
    | ','                               { diag_report(p->diag, @$, DIAG_COMMA_SEMICOLON); }
    | %empty %prec FORGOTTEN            { p->has_stray_word = yychar == IDENTIFIER && parse_next_character(p) == ';'; if (!p->has_stray_word) { diag_report(p->diag, @$, DIAG_MISSING_SEMICOLON); } }
    ;
/* The same behind a list of names, which a comma would go on with. */
list_end: ';'
    | %empty %prec FORGOTTEN            { diag_report(p->diag, @$, DIAG_MISSING_SEMICOLON); }
    ;
field_mods: %empty %prec FORGOTTEN      { memset(&$$, 0, sizeof($$)); }
    | field_mods FROM name              { $$ = $1; struct ast_source *source = NEW(ast_source); source->at = @name; source->word = $name; APPEND($$.sources, source); }
    | field_mods FROM name '(' STRING ')'
                                        { $$ = $1; struct ast_source *source = NEW(ast_source); source->at = @name; source->at.end = @6.end; source->word = $name; source->key = parse_string(p, @STRING, $STRING, @STRING.end - @STRING.start); APPEND($$.sources, source); }
    | field_mods FROM name[source_name] '(' name[part] ')'
                                        { $$ = $1; struct ast_source *source = NEW(ast_source); source->at = @source_name; source->at.end = @6.end; source->word = $source_name; source->part = $part; APPEND($$.sources, source); }
    | field_mods FROM STRING            { $$ = $1; diag_report(p->diag, @STRING, DIAG_SYNTAX, arena_printf(p->arena, "a source is a word; did you mean 'from query(%s)'?", $STRING)); }
    | field_mods TO field_name          { $$ = $1; struct ast_names *n = NEW(ast_names); n->name = $field_name; APPEND($$.readers, n); }
    | field_mods TRANSIENT              { $$ = $1; RESERVED(@TRANSIENT, "'transient'"); }
    ;
default_opt: %empty                     { $$ = NULL; }
    | '=' value                         { $$ = $value; }
    ;

actor_mods: %empty                      { memset(&$$, 0, sizeof($$)); }
    | actor_mods USE names              { $$ = $1; JOIN($$.uses, $names); }
    | actor_mods DURABLE                { $$ = $1; RESERVED(@DURABLE, "'durable'"); }
    | actor_mods HIBERNATE AFTER QUANTITY
                                        { $$ = $1; RESERVED(@HIBERNATE, "'hibernate'"); }
    | actor_mods VERSION INTEGER        { $$ = $1; RESERVED(@VERSION, "'version'"); }
    ;
actor_members: %empty                   { $$ = NO_LIST; }
    | actor_members actor_member        { $$ = $1; if ($actor_member != NULL) { APPEND($$, $actor_member); } }
    ;
actor_member: STATE sync_opt '{' fields '}'
                                        { $$ = NEW(ast_member); $$->kind = AST_MEMBER_STATE; $$->name = (struct ast_name){ $STATE, @STATE }; $$->fields = $fields.first; $$->doc = parse_doc(p, @$); }
    | PRIVATE '{' fields '}'            { $$ = NEW(ast_member); $$->kind = AST_MEMBER_PRIVATE; $$->name = (struct ast_name){ $PRIVATE, @PRIVATE }; $$->fields = $fields.first; $$->doc = parse_doc(p, @$); }
    | method                            { $$ = $method; $$->doc = parse_doc(p, @$); }
    | INTERNAL method                   { $$ = $method; $$->is_internal = true; $$->doc = parse_doc(p, @$); }
    | METHOD name ARROW outcome method_mods list_end
                                        { $$ = NULL; diag_report(p->diag, @name, DIAG_METHOD_PARENS, $name.text); }
    | METHOD name method_input ARROW STREAM ';'
                                        { $$ = NULL; diag_report(p->diag, @STREAM, DIAG_SYNTAX, "a stream has a type for its chunks: -> stream Token"); }
    | METHOD name ';'                   { $$ = NULL; diag_report(p->diag, @name, DIAG_METHOD_PARENS, $name.text); }
    | EVENT name payload_opt end        { $$ = NEW(ast_member); $$->kind = AST_MEMBER_EVENT; $$->name = $name; $$->payload = $payload_opt; $$->doc = parse_doc(p, @$); }
    | SUBSCRIBE USE names list_end      { $$ = NEW(ast_member); $$->kind = AST_MEMBER_SUBSCRIBE; $$->name = (struct ast_name){ $SUBSCRIBE, @SUBSCRIBE }; $$->uses = $names.first; }
    | ON names list_end                 { $$ = NEW(ast_member); $$->kind = AST_MEMBER_HOOKS; $$->hooks = $names.first; }
    | TIMER name payload_opt every_opt by_opt end
                                        { $$ = NEW(ast_member); $$->kind = AST_MEMBER_TIMER; $$->name = $name; $$->payload = $payload_opt; $$->every = $every_opt; $$->by = $by_opt; $$->doc = parse_doc(p, @$); }
    | AUDIENCE name end                 { $$ = NEW(ast_member); $$->kind = AST_MEMBER_AUDIENCE; $$->name = $name; $$->doc = parse_doc(p, @$); }
    | PRESENCE '{' fields '}'           { $$ = NULL; RESERVED(@PRESENCE, "presence"); }
    | error ';'                         { $$ = NULL; RECOVER; }
    | error BLOCK                       { $$ = NULL; RECOVER; }
    ;
sync_opt: %empty | SYNC RATE            { RESERVED(@$, "'sync'"); };
every_opt: %empty                       { $$ = (struct ast_name){ NULL, { 0, 0 } }; }
    | EVERY QUANTITY                    { $$ = (struct ast_name){ $QUANTITY, @QUANTITY }; }
    ;
method: METHOD name method_input method_result method_mods list_end
                                        { $$ = NEW(ast_member); $$->kind = AST_MEMBER_METHOD; $$->name = $name; $$->payload = $method_input; $$->result = $method_result.result; $$->chunk = $method_result.chunk; $$->uses = $method_mods.uses.first; $$->throws = $method_mods.throws.first; $$->limits = $method_mods.limits.first; $$->timeout = $method_mods.timeout; $$->progress = $method_mods.progress; $$->interleave = $method_mods.interleave; }
    ;
method_input: '(' params ')'            { $$ = (struct ast_payload){ AST_PAYLOAD_PARAMS, $params.first, NULL }; }
    | ':' type                          { $$ = (struct ast_payload){ AST_PAYLOAD_TYPE, NULL, $type }; }
    ;
method_result: %empty                   { $$.result = $$.chunk = NULL; }
    | ARROW outcome                     { $$ = $outcome; }
    ;
outcome: type                           { $$.result = $type; $$.chunk = NULL; }
    | STREAM type                       { $$.result = NULL; $$.chunk = $type; }
    ;
method_mods: %empty                     { memset(&$$, 0, sizeof($$)); }
    | method_mods USE names             { $$ = $1; JOIN($$.uses, $names); }
    | method_mods THROWS names          { $$ = $1; JOIN($$.throws, $names); }
    | method_mods limit                 { $$ = $1; APPEND($$.limits, $limit); }
    | method_mods CALLS names           { $$ = $1; RESERVED(@CALLS, "'calls'"); }
    | method_mods TIMEOUT QUANTITY      { $$ = $1; ONCE($$.timeout.text != NULL, @TIMEOUT, $TIMEOUT); $$.timeout = (struct ast_name){ $QUANTITY, @QUANTITY }; }
    | method_mods PROGRESS type         { $$ = $1; ONCE($$.progress != NULL, @PROGRESS, $PROGRESS); $$.progress = $type; }
    | method_mods INTERLEAVE            { $$ = $1; ONCE($$.interleave.end > 0, @INTERLEAVE, $INTERLEAVE); $$.interleave = @INTERLEAVE; }
    | method_mods IDEMPOTENT            { $$ = $1; RESERVED(@IDEMPOTENT, "'idempotent'"); }
    ;
limit: LIMIT RATE burst_opt by_opt      { $$ = NEW(ast_limit); $$->at = @LIMIT; $$->rate = (struct ast_name){ $RATE, @RATE }; $$->burst = $burst_opt; $$->by = $by_opt; };
burst_opt: %empty                       { $$ = (struct ast_number){ NULL, { 0, 0 }, true }; }
    | BURST INTEGER                     { $$ = (struct ast_number){ $INTEGER, @INTEGER, true }; }
    ;
by_opt: %empty                          { $$ = (struct ast_name){ NULL, { 0, 0 } }; }
    | BY field_name                     { $$ = $field_name; }
    ;
payload_opt: %empty                     { $$ = (struct ast_payload){ AST_PAYLOAD_NONE, NULL, NULL }; }
    | '(' params ')'                    { $$ = (struct ast_payload){ AST_PAYLOAD_PARAMS, $params.first, NULL }; }
    | ':' type                          { $$ = (struct ast_payload){ AST_PAYLOAD_TYPE, NULL, $type }; }
    ;
params: %empty                          { $$ = NO_LIST; }
    | param_list
    | param_list ','
    ;
param_list: param                       { $$ = NO_LIST; APPEND($$, $param); }
    | param_list ',' param              { $$ = $1; APPEND($$, $param); }
    ;
param: field_name ':' type default_opt  { $$ = NEW(ast_field); $$->name = $field_name; $$->type = $type; $$->value = $default_opt; $$->doc = parse_doc(p, @field_name); };

type: postfix
    | postfix '|' NULL_                 { $$ = parse_type(p, @$, AST_TYPE_NULLABLE, $1, NULL); }
    ;
postfix: primary
    | postfix '[' rules_opt ']'         { $$ = parse_type(p, @$, AST_TYPE_LIST, $1, $rules_opt.first); }
    | postfix '?'                       { $$ = parse_type(p, @$, AST_TYPE_OPTIONAL, $1, NULL); }
    ;
primary: type_name                      { $$ = NEW(ast_type); $$->kind = AST_TYPE_NAME; $$->at = @$; $$->name = $type_name; }
    | type_name '(' rules_opt ')'       { $$ = NEW(ast_type); $$->kind = AST_TYPE_NAME; $$->at = @$; $$->name = $type_name; $$->rules = $rules_opt.first; }
    | STRING                            { $$ = NEW(ast_type); $$->kind = AST_TYPE_LITERAL; $$->at = @$; $$->literal = parse_string(p, @$, $STRING, @$.end - @$.start); }
    | number                            { $$ = NEW(ast_type); $$->kind = AST_TYPE_LITERAL; $$->at = @$; $$->literal = parse_number(p, @$, &$number); }
    | MAP '<' deeper type '>'           { $$ = parse_type(p, @$, AST_TYPE_MAP, $type, NULL); p->depth--; }
    | MAP '<' deeper type '>' '(' rules_opt ')'
                                        { $$ = parse_type(p, @$, AST_TYPE_MAP, $type, $rules_opt.first); p->depth--; }
    | '[' deeper elements ']'           { $$ = parse_type(p, @$, AST_TYPE_TUPLE, $elements.first, NULL); p->depth--; }
    | '[' deeper elements ',' ']'       { $$ = parse_type(p, @$, AST_TYPE_TUPLE, $elements.first, NULL); p->depth--; }
    | '(' deeper type ')'               { $$ = $type; p->depth--; }
    ;
deeper: %empty                          { if (!parse_enter(p, @0)) { YYERROR; } };
elements: element                       { $$ = NO_LIST; APPEND($$, $element); }
    | elements ',' element              { $$ = $1; APPEND($$, $element); }
    ;
element: type
    | name ':' type                     { $$ = NEW(ast_type); *$$ = *$type; $$->label = $name; }
    ;
type_name: word_but_stream              { $$ = (struct ast_name){ $1, @$ }; }
    | word_but_stream '.' word          { $$ = (struct ast_name){ arena_printf(p->arena, "%s.%s", $1, $3), @$ }; }
    ;
rules_opt: %empty                       { $$ = NO_LIST; }
    | rules
    | rules ','
    ;
rules: rule                             { $$ = NO_LIST; APPEND($$, $rule); }
    | rules ',' rule                    { $$ = $1; APPEND($$, $rule); }
    ;
rule: bound                             { $$ = NEW(ast_rule); $$->at = @$; $$->low = $$->high = $bound; }
    | DOTS bound                        { $$ = NEW(ast_rule); $$->at = @$; $$->high = $bound; }
    | bound DOTS                        { $$ = NEW(ast_rule); $$->at = @$; $$->low = $bound; }
    | bound DOTS bound                  { $$ = NEW(ast_rule); $$->at = @$; $$->low = $1; $$->high = $3; }
    | bound INTEGER                     { $$ = NEW(ast_rule); $$->at = @$; diag_report(p->diag, @$, DIAG_DASH_RANGE, parse_range(p, $1.text, $INTEGER)); }
    | '>' number                        { $$ = NEW(ast_rule); $$->kind = AST_RULE_ABOVE; $$->at = @$; $$->low = $number; }
    | '<' number                        { $$ = NEW(ast_rule); $$->kind = AST_RULE_BELOW; $$->at = @$; $$->high = $number; }
    | '%' number                        { $$ = NEW(ast_rule); $$->kind = AST_RULE_MULTIPLE; $$->at = @$; $$->low = $number; }
    | PATTERN                           { $$ = NEW(ast_rule); $$->kind = AST_RULE_PATTERN; $$->at = @$; $$->text = $PATTERN; }
    | word                              { $$ = NEW(ast_rule); $$->kind = AST_RULE_WORD; $$->at = @$; $$->text = $word; }
    ;
bound: number
    | QUANTITY                          { $$ = (struct ast_number){ $QUANTITY, @$, false }; }
    ;
number: INTEGER                         { $$ = (struct ast_number){ $INTEGER, @$, true }; }
    | NUMBER                            { $$ = (struct ast_number){ $NUMBER, @$, false }; }
    ;

value: number                           { $$ = parse_number(p, @$, &$number); }
    | STRING                            { $$ = parse_string(p, @$, $STRING, @$.end - @$.start); }
    | name                              { $$ = NEW(ast_value); $$->kind = AST_VALUE_NAME; $$->at = @$; $$->text = $name.text; }
    | '[' deeper values_opt ']'         { $$ = NEW(ast_value); $$->kind = AST_VALUE_LIST; $$->at = @$; $$->first = $values_opt.first; p->depth--; }
    | '{' deeper members_opt '}'        { $$ = NEW(ast_value); $$->kind = AST_VALUE_OBJECT; $$->at = @$; $$->first = $members_opt.first; p->depth--; }
    ;
values_opt: %empty                      { $$ = NO_LIST; } | values | values ',';
values: value                           { $$ = NO_LIST; APPEND($$, $value); }
    | values ',' value                  { $$ = $1; APPEND($$, $value); }
    ;
members_opt: %empty                     { $$ = NO_LIST; } | members | members ',';
members: member                         { $$ = NO_LIST; APPEND($$, $member); }
    | members ',' member                { $$ = $1; APPEND($$, $member); }
    ;
member: name ':' value                  { $$ = $value; $$->key = $name; }
    | STRING ':' value                  { struct ast_value *key = parse_string(p, @STRING, $STRING, @STRING.end - @STRING.start); $$ = $value; $$->key = (struct ast_name){ key->text, @STRING }; parse_key(p, key); }
    ;

/* A field may have any name on the wire. */
field_name: name
    | STRING                            { $$ = parse_field_name(p, @$, $STRING, @$.end - @$.start); }
    ;
name: word                              { $$ = (struct ast_name){ $word, @$ }; };
word: word_but_stream | STREAM;
word_but_stream: IDENTIFIER | APP | IMPORT | ENUM | STRUCT | STRICT | TYPE | UNION | BY | ACTOR | STATE | PRIVATE | METHOD
    | EVENT | ON | USE | NULL_ | CHECK | MIDDLEWARE | AFTER | CONNECTION | ERROR | THROWS | LIMIT | BURST
    | TIMEOUT | PROGRESS | TIMER | EVERY | DURABLE | HIBERNATE | SYNC | AUDIENCE | TO | PRESENCE | BROADCAST
    | CALLS | MAP | FROM | INTERNAL | INTERLEAVE | IDEMPOTENT | VERSION | TRANSIENT | SUBSCRIBE | SESSION | GRACE
    ;
%%
/* Skips to the '}' of a '{' that was read. Returns its token, or 0 at the end
 * of the file. */
static int skip_block(ZKT_STYPE *value, ZKT_LTYPE *at, void *scanner)
{
    int token = '{';
    for (int depth = 1; depth > 0 && token != 0;) {
        token = zkt_lex(value, at, scanner);
        depth += (token == '{') - (token == '}');
    }
    return token;
}

/* Skips the rest of a declaration that goes on behind a block, with its ';'. */
static int skip_rest(ZKT_STYPE *value, ZKT_LTYPE *at, void *scanner,
                     struct parse *p)
{
    int token = BLOCK;
    char next = parse_next_character(p);
    if (p->parens == 0 && (next == '\0' || strchr("[]?|=>;,", next) == NULL)) {
        return token;
    }
    while (token != ';' && token != ',' && token != 0 && next != '}') {
        token = zkt_lex(value, at, scanner);
        if (token == '{') {
            token = skip_block(value, at, scanner);
        }
        token = token == ',' && p->parens > 0 ? BLOCK : token;
        next = parse_next_character(p);
    }
    p->parens = 0;
    return token;
}

/* The next token. Behind a mistake, braces are skipped with all between them:
 * so no '}' or ';' of theirs ends something else. */
static int next_token(ZKT_STYPE *value, ZKT_LTYPE *at, void *scanner,
                      struct parse *p)
{
    const int token = p->block_is_open ? '{' : zkt_lex(value, at, scanner);
    p->parens = token == ';' ? 0 : p->parens + (token == '(') - (token == ')');
    p->is_recovering = p->is_recovering && token != '}';
    if (!p->is_recovering || token != '{') {
        return token;
    }
    p->block_is_open = false;
    if (skip_block(value, at, scanner) == 0 ||
        skip_rest(value, at, scanner, p) == 0) {
        return 0;
    }
    p->is_recovering = false;
    return BLOCK;
}

/* Bison calls this only when it has no memory. */
static void zkt_error(ZKT_LTYPE *at, void *scanner, struct parse *p,
                      const char *text)
{
    (void)scanner;
    diag_report(p->diag, *at, DIAG_SYNTAX, text);
}

/* The text of a token, for a message. */
static const char *found_text(struct parse *p, struct source_range at,
                              yysymbol_kind_t token)
{
    if (token == YYSYMBOL_YYEOF) {
        return "the end of the file";
    }
    return arena_printf(p->arena, "'%.*s'", (int)(at.end - at.start),
                        p->source->text + (at.start - p->source->base));
}

static bool is_word(yysymbol_kind_t symbol)
{
    return symbol == YYSYMBOL_IDENTIFIER ||
           (symbol >= YYSYMBOL_APP && symbol <= YYSYMBOL_GRACE);
}

/* Whether a symbol is a sign, as bison quotes it. */
static bool is_sign(yysymbol_kind_t symbol, const char *quoted)
{
    return strcmp(yysymbol_name(symbol), quoted) == 0;
}

static bool expects(const yypcontext_t *context, const char *quoted)
{
    yysymbol_kind_t expected[YYNTOKENS];
    const int count = yypcontext_expected_tokens(context, expected, YYNTOKENS);
    for (int i = 0; i < count; i++) {
        if (is_sign(expected[i], quoted)) {
            return true;
        }
    }
    return false;
}

static const char a_time[] =
    "a time is a whole number with its unit, ms, s, m or h: 50ms";

/* Advice about a word that the grammar does not expect, or NULL. */
static const char *advice_on_word(const yypcontext_t *context, struct parse *p)
{
    const struct source_range at = *yypcontext_location(context);
    const char *word = arena_text(p->arena,
                                  p->source->text + (at.start - p->source->base),
                                  at.end - at.start);
    if (parse_is_absence(word) && expects(context, "'?'")) {
        return arena_printf(p->arena,
                            "'?' stands behind the type, in place of '%s'",
                            word);
    }
    if (strcmp(word, "stream") == 0 && expects(context, "timeout")) {
        return expects(context, "a name")
                   ? "only the result of a method is a stream: -> stream Token"
                   : "a stream is written '-> stream T'";
    }
    const char *ours, *slip = parse_modifier_slip(p, word, &ours);
    if (slip != NULL && expects(context, ours)) {
        return slip;
    }
    if (strcmp(word, "returns") == 0 && expects(context, "'->'")) {
        return "a result is written with '->', not 'returns'";
    }
    if (strcmp(word, "to") == 0) {
        return "only a field of a 'state' is 'to' an audience; an event is sent to it by its target";
    }
    if (expects(context, "a name") || expects(context, "';'")) {
        return NULL;
    }
    if (expects(context, "a quantity") && !expects(context, "a number")) {
        return a_time;
    }
    if (expects(context, "null")) {
        return "only 'null' stands behind '|'; a union is declared by itself";
    }
    return expects(context, "method") || expects(context, "struct")
               ? parse_slip(p, word, expects(context, "method"))
               : NULL;
}

/* Behind the name or the details of an error; behind that of a type, nothing
 * but '=' is expected. */
static bool lacks_code(const yypcontext_t *context)
{
    yysymbol_kind_t expected[YYNTOKENS];
    return yypcontext_expected_tokens(context, expected, YYNTOKENS) > 1 &&
           expects(context, "'='") && !expects(context, "';'") &&
           !expects(context, "'}'");
}

/* Advice about a sign or a literal of another language, or NULL. */
static const char *advice(const yypcontext_t *context, yysymbol_kind_t token)
{
    static const struct {
        const char *found, *expected, *unless, *text;
    } slips[] = {
        { "':'", "'->'", "", "a result is written with '->', not ':'" },
        { "'->'", "':'", "", "only a method has a result; a type stands behind ':'" },
        { "'?'", "':'", "", "'?' stands behind the type, not behind the name" },
        { "'<'", "map", "", "'<' begins no type: a list is written 'T[]', a map 'map<T>', a stream '-> stream T'" },
        { "'<'", "'['", "", "only 'map' has '<' and '>'; a list is written 'T[]'" },
        { "','", "'>'", "", "a map is written 'map<T>': its keys are strings" },
        { "'{'", "'['", "';'", "'{' is no type: a struct is declared, and used by its name" },
        { "'{'", "'?'", "", "'{' is no type: a struct is declared, and used by its name" },
        { "';'", "'}'", "';'", "commas stand between these, not semicolons" },
        { "'{'", "'('", "", "a payload stands in parentheses, with commas between its fields" },
        { "a whole number", "a rate", "", "a rate is a number per s, m or h: 5/s" },
        { "a number", "a rate", "", "a rate is a whole number per s, m or h: 5/s" },
        { "a quantity", "a rate", "", "a rate is a number per s, m or h: 5/s" },
        { "a whole number", "a quantity", "", a_time },
        { "';'", "a quantity", "a whole number", a_time },
        { "a number", "a quantity", "", a_time },
        { "a rate", "a quantity", "a whole number", a_time },
        { "a string", "null", "a name", "strings to choose from are declared as an enum" },
    };
    if (is_sign(token, "';'") && lacks_code(context)) {
        return "an error is a case of a code: error gone = NOT_FOUND;";
    }
    for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
        if (is_sign(token, slips[i].found) &&
            expects(context, slips[i].expected) &&
            !expects(context, slips[i].unless)) {
            return slips[i].text;
        }
    }
    return NULL;
}

static bool is_literal(yysymbol_kind_t symbol)
{
    return symbol == YYSYMBOL_STRING || symbol == YYSYMBOL_INTEGER ||
           symbol == YYSYMBOL_NUMBER;
}

/* Behind the name of a field, its type is missing: the ';' that the grammar
 * takes there is a mistake as well. */
static bool lacks_type(const yypcontext_t *context)
{
    yysymbol_kind_t expected[YYNTOKENS];
    return yypcontext_expected_tokens(context, expected, YYNTOKENS) == 2 &&
           expects(context, "':'") && expects(context, "';'");
}

/* Of the many words that may stand where a name may, only "a name" is said;
 * nor are literals that may stand in its place, but for values, which may have
 * braces. */
static int report_expected(const yypcontext_t *context, bool *semicolon,
                           char *text, size_t size)
{
    enum { SHOWN = 5 };
    yysymbol_kind_t expected[YYNTOKENS];
    const int count = yypcontext_expected_tokens(context, expected, YYNTOKENS);
    const bool value = expects(context, "'{'");
    bool name = false;
    int shown = 0;
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        name = name || expected[i] == YYSYMBOL_IDENTIFIER;
    }
    for (int i = 0; i < count; i++) {
        const bool keyword = expected[i] != YYSYMBOL_IDENTIFIER && is_word(expected[i]);
        *semicolon = *semicolon || is_sign(expected[i], "';'");
        if (name && (keyword || (!value && is_literal(expected[i])))) {
            continue;
        }
        if (shown++ < SHOWN && len < size) {
            const char *quote = keyword ? "'" : "";
            len += (size_t)snprintf(text + len, size - len, "%s%s%s%s",
                                    shown > 1 ? " or " : "", quote,
                                    yysymbol_name(expected[i]), quote);
        }
    }
    return shown <= SHOWN ? shown : 0;
}

/* A message without advice, by the tokens that the grammar expects. */
static void report_found(const yypcontext_t *context, struct parse *p,
                         const char *found)
{
    const struct source_range at = *yypcontext_location(context);
    const yysymbol_kind_t token = yypcontext_token(context);
    char expected[256] = "";
    bool semicolon = false;
    const int count =
        report_expected(context, &semicolon, expected, sizeof(expected));
    const bool type = lacks_type(context);
    if (semicolon && !type && is_sign(token, "','")) {
        diag_report(p->diag, at, DIAG_COMMA_SEMICOLON);
    } else if (semicolon && !type && is_sign(token, "':'")) {
        diag_report(p->diag, at, DIAG_COLON_DEFAULT);
    } else if (semicolon || count > 0) {
        diag_report(p->diag, at, DIAG_SYNTAX,
                    arena_printf(p->arena, "%s stands where %s is expected",
                                 found,
                                 type        ? "':'"
                                 : semicolon ? "';'"
                                             : expected));
    } else {
        diag_report(p->diag, at, DIAG_SYNTAX,
                    arena_printf(p->arena, "%s does not belong here", found));
    }
}

static int yyreport_syntax_error(const yypcontext_t *context, void *scanner,
                                 struct parse *p)
{
    const struct source_range at = *yypcontext_location(context);
    const yysymbol_kind_t token = yypcontext_token(context);
    (void)scanner;
    p->is_recovering = token != YYSYMBOL_YYEOF && !is_sign(token, "'}'");
    p->block_is_open = is_sign(token, "'{'");
    const char *found = found_text(p, at, token);
    if (token == YYSYMBOL_STRAY) {
        diag_report(p->diag, at, DIAG_STRAY, parse_stray(p, at, found));
        return 0;
    }
    const char *slip = is_word(token) ? advice_on_word(context, p)
                                      : advice(context, token);
    if (slip != NULL) {
        diag_report(p->diag, at, DIAG_SYNTAX, slip);
    } else {
        report_found(context, p, found);
    }
    return 0;
}
