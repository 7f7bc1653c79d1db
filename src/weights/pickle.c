/* The machine: a stack of values, a memo, one function a group of opcodes. */
#include "weights/pickle.h"

#include "weights/internal.h"

static sam2_status damaged(const pickle *p, const char *what, sam2_error *error)
{
    return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: %s (byte %zu)", what, (size_t)(p->at - p->start));
}

/* ---- bytes
 * ------------------------------------------------------------------------------------------------------------- */

/* *out = the next `n` bytes. */
static sam2_status take(pickle *p, uint64_t n, const uint8_t **out, sam2_error *error)
{
    if (n > (uint64_t)(p->end - p->at))
        return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: %llu bytes are wanted at byte %zu of %zu",
                         (unsigned long long)n, (size_t)(p->at - p->start), (size_t)(p->end - p->start));
    *out = p->at;
    p->at += n;
    return SAM2_OK;
}

/* A little-endian number of 1, 2, 4 or 8 bytes. */
static sam2_status take_number(pickle *p, int bytes, uint64_t *out, sam2_error *error)
{
    const uint8_t *b = NULL;
    TRY(take(p, (uint64_t)bytes, &b, error));
    *out = bytes == 1 ? b[0] : bytes == 2 ? get_le16(b) : bytes == 4 ? get_le32(b) : get_le64(b);
    return SAM2_OK;
}

static sam2_status take_line(pickle *p, const char **text, size_t *length, sam2_error *error)
{
    const uint8_t *end = p->at < p->end ? memchr(p->at, '\n', (size_t)(p->end - p->at)) : NULL;
    if (!end)
        return damaged(p, "a line without an end", error);
    *text = (const char *)p->at;
    *length = (size_t)(end - p->at);
    p->at = end + 1;
    return SAM2_OK;
}

/* ---- stack and memo
 * ---------------------------------------------------------------------------------------------------- */

static sam2_status push(pickle *p, pickle_value v, sam2_error *error)
{
    if (p->depth == PICKLE_MAX_VALUES)
        return error_set(error, SAM2_ERROR_FORMAT,
                         "the pickle nests too deeply: more than %zu values wait on its stack", PICKLE_MAX_VALUES);
    void *stack = p->stack;
    sam2_status status = alloc_grow(&p->allocator, &stack, &p->stack_bytes, p->depth * sizeof v,
                                    (p->depth + 1) * sizeof v, "the pickle's stack", error);
    p->stack = stack;
    TRY(status);
    p->stack[p->depth++] = v;
    return SAM2_OK;
}

static sam2_status push_integer(pickle *p, pickle_type type, int64_t value, sam2_error *error)
{
    return push(p, (pickle_value){.type = (uint8_t)type, .u.integer = value}, error);
}

/* The top value, which stays; a mark is none. */
static sam2_status top(pickle *p, pickle_value **out, sam2_error *error)
{
    if (p->depth == 0 || p->stack[p->depth - 1].type == PICKLE_MARK)
        return damaged(p, "a value is missing on the stack", error);
    *out = &p->stack[p->depth - 1];
    return SAM2_OK;
}

static sam2_status pop(pickle *p, pickle_value *out, sam2_error *error)
{
    pickle_value *value = NULL;
    TRY(top(p, &value, error));
    *out = *value;
    p->depth--;
    return SAM2_OK;
}

/* Takes the values above the last mark off the stack, and the mark. They stay in place until the next push. */
static sam2_status pop_to_mark(pickle *p, pickle_value **items, size_t *count, sam2_error *error)
{
    size_t at = p->depth;
    while (at > 0 && p->stack[at - 1].type != PICKLE_MARK)
        at--;
    if (at == 0)
        return damaged(p, "a mark is missing on the stack", error);
    *items = p->stack + at;
    *count = p->depth - at;
    p->depth = at - 1;
    return SAM2_OK;
}

static sam2_status memo_put(pickle *p, uint64_t index, sam2_error *error)
{
    pickle_value *value = NULL;
    TRY(top(p, &value, error));
    /* Picklers number one after the other, so an index beyond the pickle's bytes is not honest. */
    if (index >= PICKLE_MAX_VALUES || index >= (uint64_t)(p->end - p->start))
        return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: memo index %llu is out of range",
                         (unsigned long long)index);
    if (index >= p->memo_count) {
        void *memo = p->memo;
        size_t old = p->memo_count * sizeof *value, wanted = (size_t)(index + 1) * sizeof *value;
        sam2_status status = alloc_grow(&p->allocator, &memo, &p->memo_bytes, old, wanted, "the pickle's memo", error);
        p->memo = memo;
        TRY(status);
        memset((uint8_t *)memo + old, 0, wanted - old);
        p->memo_count = (size_t)index + 1;
    }
    p->memo[index] = *value;
    return SAM2_OK;
}

static sam2_status memo_get(pickle *p, uint64_t index, sam2_error *error)
{
    if (index >= p->memo_count || p->memo[index].type == PICKLE_UNSET)
        return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: nothing has memo index %llu",
                         (unsigned long long)index);
    return push(p, p->memo[index], error);
}

/* ---- containers
 * -------------------------------------------------------------------------------------------------------- */

sam2_status pickle_new_dict(pickle *p, pickle_value *out, sam2_error *error)
{
    void *memory;
    TRY(chunks_take(&p->objects, sizeof(pickle_dict), &memory, error));
    pickle_dict *dict = memory;
    *dict = (pickle_dict){0};
    *out = (pickle_value){.type = PICKLE_DICT, .u.dict = dict};
    return SAM2_OK;
}

/* Room for `more` elements of `size` bytes in a container; the old block is left behind, so that all of them take at
 * most twice the last. */
static sam2_status grow(pickle *p, void **items, size_t *capacity, size_t count, size_t more, size_t size,
                        sam2_error *error)
{
    if (more <= *capacity - count)
        return SAM2_OK;
    size_t wanted = count + more > 2 * *capacity ? count + more : 2 * *capacity;
    void *fresh;
    TRY(chunks_take(&p->objects, wanted * size, &fresh, error));
    if (count)
        memcpy(fresh, *items, count * size);
    *items = fresh;
    *capacity = wanted;
    return SAM2_OK;
}

static sam2_status append(pickle *p, const pickle_value *list, const pickle_value *items, size_t count,
                          sam2_error *error)
{
    if (list->type != PICKLE_LIST)
        return damaged(p, "APPEND to what is not a list", error);
    pickle_list *l = list->u.list;
    void *memory = l->items;
    TRY(grow(p, &memory, &l->capacity, l->count, count, sizeof *items, error));
    l->items = memory;
    if (count)
        memcpy(l->items + l->count, items, count * sizeof *items);
    l->count += count;
    return SAM2_OK;
}

/* `items` are keys and values in turn. */
static sam2_status set_items(pickle *p, const pickle_value *dict, const pickle_value *items, size_t count,
                             sam2_error *error)
{
    if (dict->type != PICKLE_DICT)
        return damaged(p, "SETITEM on what is not a dict", error);
    if (count % 2)
        return damaged(p, "a key without a value", error);
    pickle_dict *d = dict->u.dict;
    void *memory = d->pairs;
    TRY(grow(p, &memory, &d->capacity, d->count, count / 2, sizeof *d->pairs, error));
    d->pairs = memory;
    for (size_t i = 0; i < count; i += 2)
        d->pairs[d->count++] = (pickle_pair){items[i], items[i + 1]};
    return SAM2_OK;
}

static sam2_status push_tuple(pickle *p, const pickle_value *items, size_t count, sam2_error *error)
{
    pickle_value tuple = {.type = PICKLE_TUPLE, .length = (uint32_t)count};
    if (count) {
        void *memory;
        TRY(chunks_take(&p->objects, count * sizeof *items, &memory, error));
        memcpy(memory, items, count * sizeof *items);
        tuple.u.items = memory;
    }
    return push(p, tuple, error);
}

static sam2_status push_list(pickle *p, const pickle_value *items, size_t count, sam2_error *error)
{
    void *memory;
    TRY(chunks_take(&p->objects, sizeof(pickle_list), &memory, error));
    pickle_value v = {.type = PICKLE_LIST, .u.list = memory};
    *v.u.list = (pickle_list){0};
    TRY(append(p, &v, items, count, error));
    return push(p, v, error);
}

static sam2_status push_dict(pickle *p, const pickle_value *items, size_t count, sam2_error *error)
{
    pickle_value v;
    TRY(pickle_new_dict(p, &v, error));
    TRY(set_items(p, &v, items, count, error));
    return push(p, v, error);
}

/* ---- opcodes
 * ----------------------------------------------------------------------------------------------------------- */

/* Texts and bytes: an opcode with `width` bytes of length. */
static sam2_status text_op(pickle *p, pickle_type type, int width, sam2_error *error)
{
    uint64_t length;
    const uint8_t *bytes = NULL;
    TRY(take_number(p, width, &length, error));
    TRY(take(p, length, &bytes, error));
    return push(p, (pickle_value){.type = (uint8_t)type, .length = (uint32_t)length, .u.text = (const char *)bytes},
                error);
}

/* A two's complement number of `width` bytes of length. */
static sam2_status long_op(pickle *p, int width, sam2_error *error)
{
    uint64_t length, value = 0;
    const uint8_t *bytes = NULL;
    TRY(take_number(p, width, &length, error));
    TRY(take(p, length, &bytes, error));
    if (length > 8)
        return push_integer(p, PICKLE_OPAQUE, 0, error);
    for (size_t i = 0; i < length; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    if (length > 0 && length < 8 && bytes[length - 1] & 0x80)
        value |= UINT64_MAX << 8 * length;
    return push_integer(p, PICKLE_INT, (int64_t)value, error);
}

static sam2_status real_op(pickle *p, sam2_error *error)
{
    const uint8_t *b = NULL;
    TRY(take(p, 8, &b, error));
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) /* big-endian */
        bits = bits << 8 | b[i];
    pickle_value v = {.type = PICKLE_REAL};
    memcpy(&v.u.real, &bits, sizeof bits);
    return push(p, v, error);
}

static sam2_status unknown_opcode(int opcode, size_t at, sam2_error *error)
{
    return error_set(error, SAM2_ERROR_UNSUPPORTED,
                     "pickle opcode 0x%02X at byte %zu is not one that a state dict needs", (unsigned)opcode, at);
}

/* GLOBAL's two lines, or INST's, which would also call it: that is refused, but by the global's name when it is not on
 * the list. */
static sam2_status global_op(pickle *p, int opcode, sam2_error *error)
{
    size_t at = (size_t)(p->at - p->start) - 1;
    const char *module = NULL, *name = NULL;
    size_t module_length = 0, name_length = 0;
    pickle_value v;
    TRY(take_line(p, &module, &module_length, error));
    TRY(take_line(p, &name, &name_length, error));
    TRY(pickle_global(module, module_length, name, name_length, &v, error));
    return opcode == 'i' ? unknown_opcode(opcode, at, error) : push(p, v, error);
}

static sam2_status stack_global_op(pickle *p, sam2_error *error)
{
    pickle_value module, name, v;
    TRY(pop(p, &name, error));
    TRY(pop(p, &module, error));
    if (module.type != PICKLE_TEXT || name.type != PICKLE_TEXT)
        return damaged(p, "a global whose name is no text", error);
    TRY(pickle_global(module.u.text, module.length, name.u.text, name.length, &v, error));
    return push(p, v, error);
}

static sam2_status reduce_op(pickle *p, sam2_error *error)
{
    pickle_value arguments, callable, v;
    TRY(pop(p, &arguments, error));
    TRY(pop(p, &callable, error));
    if (arguments.type != PICKLE_TUPLE)
        return damaged(p, "arguments that are no tuple", error);
    TRY(pickle_call(p, &callable, &arguments, &v, error));
    return push(p, v, error);
}

/* An OrderedDict's attributes (a module's "_metadata") are of no interest; other objects have none. */
static sam2_status build_op(pickle *p, sam2_error *error)
{
    pickle_value state, *object = NULL;
    TRY(pop(p, &state, error));
    TRY(top(p, &object, error));
    return object->type == PICKLE_DICT ? SAM2_OK : damaged(p, "attributes for what is not an OrderedDict", error);
}

static sam2_status frame_op(pickle *p, sam2_error *error)
{
    uint64_t length;
    TRY(take_number(p, 8, &length, error));
    if (length > (uint64_t)(p->end - p->at))
        return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: a frame of %llu bytes where %zu follow",
                         (unsigned long long)length, (size_t)(p->end - p->at));
    return SAM2_OK;
}

/* The opcodes that push something. *known = false for others. */
static sam2_status step_value(pickle *p, int opcode, bool *known, sam2_error *error)
{
    uint64_t n;
    switch (opcode) {
    case 'N':
        return push_integer(p, PICKLE_NONE, 0, error);
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return push_integer(p, PICKLE_BOOL, opcode == 0x88, error);
    case 'J': /* BININT, signed */
        TRY(take_number(p, 4, &n, error));
        return push_integer(p, PICKLE_INT, (int32_t)(uint32_t)n, error);
    case 'K': /* BININT1 */
    case 'M': /* BININT2 */
        TRY(take_number(p, opcode == 'K' ? 1 : 2, &n, error));
        return push_integer(p, PICKLE_INT, (int64_t)n, error);
    case 0x8A: /* LONG1 */
        return long_op(p, 1, error);
    case 0x8B: /* LONG4 */
        return long_op(p, 4, error);
    case 'G': /* BINFLOAT */
        return real_op(p, error);
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING: Python 2's text */
        return text_op(p, PICKLE_TEXT, 4, error);
    case 0x8C: /* SHORT_BINUNICODE */
    case 'U':  /* SHORT_BINSTRING */
        return text_op(p, PICKLE_TEXT, 1, error);
    case 0x8D: /* BINUNICODE8 */
        return text_op(p, PICKLE_TEXT, 8, error);
    case 'B': /* BINBYTES */
        return text_op(p, PICKLE_OPAQUE, 4, error);
    case 'C': /* SHORT_BINBYTES */
        return text_op(p, PICKLE_OPAQUE, 1, error);
    case 0x8E: /* BINBYTES8 */
        return text_op(p, PICKLE_OPAQUE, 8, error);
    case ']':
        return push_list(p, NULL, 0, error);
    case '}':
        return push_dict(p, NULL, 0, error);
    case ')':
        return push_tuple(p, NULL, 0, error);
    case '(':
        return push_integer(p, PICKLE_MARK, 0, error);
    case 'c': /* GLOBAL */
    case 'i': /* INST */
        return global_op(p, opcode, error);
    case 'h': /* BINGET */
        TRY(take_number(p, 1, &n, error));
        return memo_get(p, n, error);
    case 'j': /* LONG_BINGET */
        TRY(take_number(p, 4, &n, error));
        return memo_get(p, n, error);
    }
    *known = false;
    return SAM2_OK;
}

/* Tuples of what is on the stack. */
static sam2_status tuple_op(pickle *p, size_t count, sam2_error *error)
{
    pickle_value items[3];
    for (size_t i = count; i-- > 0;)
        TRY(pop(p, &items[i], error));
    return push_tuple(p, items, count, error);
}

/* APPEND, SETITEM: `count` values for the container under them. */
static sam2_status add_op(pickle *p, int opcode, size_t count, sam2_error *error)
{
    pickle_value items[2], *container = NULL;
    for (size_t i = count; i-- > 0;)
        TRY(pop(p, &items[i], error));
    TRY(top(p, &container, error));
    return opcode == 'a' ? append(p, container, items, count, error) : set_items(p, container, items, count, error);
}

/* The opcodes that take the values above a mark. `items` stay valid, as nothing is pushed before they are copied. */
static sam2_status marked_op(pickle *p, int opcode, sam2_error *error)
{
    pickle_value *items = NULL, *container = NULL;
    size_t count = 0;
    TRY(pop_to_mark(p, &items, &count, error));
    switch (opcode) {
    case 't':
        return push_tuple(p, items, count, error);
    case 'l':
        return push_list(p, items, count, error);
    case 'd':
        return push_dict(p, items, count, error);
    case 'e': /* APPENDS */
        TRY(top(p, &container, error));
        return append(p, container, items, count, error);
    case 'u': /* SETITEMS */
        TRY(top(p, &container, error));
        return set_items(p, container, items, count, error);
    }
    return SAM2_OK; /* POP_MARK */
}

static sam2_status step(pickle *p, int opcode, sam2_error *error)
{
    bool known = true;
    TRY(step_value(p, opcode, &known, error));
    if (known)
        return SAM2_OK;
    uint64_t n;
    pickle_value v, id;
    switch (opcode) {
    case 0x85: /* TUPLE1 */
    case 0x86:
    case 0x87:
        return tuple_op(p, (size_t)opcode - 0x84, error);
    case 'a': /* APPEND */
        return add_op(p, opcode, 1, error);
    case 's': /* SETITEM */
        return add_op(p, opcode, 2, error);
    case 't':
    case 'l':
    case 'd':
    case 'e':
    case 'u':
    case '1':
        return marked_op(p, opcode, error);
    case 'q': /* BINPUT */
        TRY(take_number(p, 1, &n, error));
        return memo_put(p, n, error);
    case 'r': /* LONG_BINPUT */
        TRY(take_number(p, 4, &n, error));
        return memo_put(p, n, error);
    case 0x94: /* MEMOIZE */
        return memo_put(p, p->memo_count, error);
    case 0x93:
        return stack_global_op(p, error);
    case 'R':
        return reduce_op(p, error);
    case 'b':
        return build_op(p, error);
    case 'Q': /* BINPERSID */
        TRY(pop(p, &id, error));
        TRY(pickle_persistent(p, &id, &v, error));
        return push(p, v, error);
    case '0': /* POP */
        return pop(p, &v, error);
    case 0x80: /* PROTO */
        TRY(take_number(p, 1, &n, error));
        if (n < 2 || n > 5)
            return error_set(error, SAM2_ERROR_UNSUPPORTED, "pickle protocol %d; 2 to 5 are read", (int)n);
        return SAM2_OK;
    case 0x95:
        return frame_op(p, error);
    }
    return unknown_opcode(opcode, (size_t)(p->at - p->start) - 1, error);
}

static sam2_status run(pickle *p, sam2_error *error)
{
    for (;;) {
        const uint8_t *opcode = NULL;
        TRY(take(p, 1, &opcode, error));
        if (*opcode == '.')
            break;
        TRY(step(p, *opcode, error));
    }
    TRY(pop(p, &p->root, error));
    if (p->depth)
        return damaged(p, "values are left on the stack at its end", error);
    if (p->at != p->end)
        return damaged(p, "bytes follow its end", error);
    return SAM2_OK;
}

sam2_status pickle_load(pickle *p, const sam2_allocator *a, const uint8_t *bytes, size_t size,
                        pickle_find_storage find_storage, void *context, sam2_error *error)
{
    if (size == 0) /* `bytes` may be NULL then */
        return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: it is empty");
    if (size > PICKLE_MAX_BYTES)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "a pickle of %zu bytes; at most %zu are read", size,
                         PICKLE_MAX_BYTES);
    *p = (pickle){.allocator = *a,
                  .start = bytes,
                  .at = bytes,
                  .end = bytes + size,
                  .find_storage = find_storage,
                  .context = context};
    p->objects = (chunks){.allocator = *a, .limit = PICKLE_MAX_MEMORY, .what = "the pickle's objects"};
    sam2_status status = run(p, error);
    if (status != SAM2_OK)
        pickle_free(p);
    return status;
}

void pickle_free(pickle *p)
{
    alloc_release(&p->allocator, p->stack, p->stack_bytes);
    alloc_release(&p->allocator, p->memo, p->memo_bytes);
    chunks_free(&p->objects);
    p->stack = p->memo = NULL;
    p->stack_bytes = p->memo_bytes = p->depth = p->memo_count = 0;
}
