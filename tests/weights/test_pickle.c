/* The pickle machine against hostile and broken input: nothing runs, nothing is read outside, time and memory stay
 * small. */
#include "weights/pickle.h"
#include "weights/support.h"

#include <time.h>

static const uint8_t storage_bytes[64] = {0};

static sam2_status find_storage(void *context, const char *key, size_t key_length, const uint8_t **data, size_t *size,
                                sam2_error *error)
{
    (void)context;
    if (key_length != 1 || *key != '0')
        return error_set(error, SAM2_ERROR_FORMAT, "no such storage");
    *data = storage_bytes;
    *size = sizeof storage_bytes;
    return SAM2_OK;
}

/* Loads from a block of exactly this size; a success has to give a root of `type`. */
static sam2_status load(const void *bytes, size_t size, pickle_type type, sam2_error *error)
{
    tally t = TALLY;
    sam2_allocator a = tally_allocator(&t);
    buffer copy = new_bytes();
    put(&copy, bytes, size);
    pickle p;
    clock_t from = clock();
    sam2_status status = pickle_load(&p, &a, copy.bytes, copy.size, find_storage, NULL, error);
    if (status == SAM2_OK) {
        assert_int_equal(p.root.type, type);
        pickle_free(&p);
    }
    assert_true((double)(clock() - from) / CLOCKS_PER_SEC < 1.0);
    assert_int_equal(t.blocks, 0);
    /* the promises of pickle.h: two blocks of old size while one grows */
    size_t promise = size < ((size_t)1 << 19) ? 128 * size + 8192 : (size_t)64 << 20;
    if (t.peak > promise)
        fail_msg("%zu bytes of memory for a pickle of %zu", t.peak, size);
    buffer_free(&copy);
    return status;
}

static void refuse(const void *bytes, size_t size, sam2_status code, const char *part)
{
    sam2_error error = {0};
    expect_failure(load(bytes, size, PICKLE_NONE, &error), &error, code, part);
}

#define REFUSE(bytes, code, part) refuse(bytes, sizeof(bytes) - 1, SAM2_ERROR_##code, part)

static void accept(const void *bytes, size_t size, pickle_type type)
{
    sam2_error error = {0};
    expect_ok(load(bytes, size, type, &error), &error);
}

#define ACCEPT(bytes, type) accept(bytes, sizeof(bytes) - 1, PICKLE_##type)

static void test_values(void **state)
{
    (void)state;
    ACCEPT("\x80\x02N.", NONE);
    ACCEPT("\x80\x02\x88.", BOOL);
    ACCEPT("K\5.", INT);
    ACCEPT("J\xFF\xFF\xFF\xFF.", INT);
    ACCEPT("\x8A\x00.", INT);
    ACCEPT("\x8A\x02\xFF\x80.", INT);
    ACCEPT("\x8B\x09\0\0\0........."
           "0N.",
           NONE);
    ACCEPT("G@\x09\x21\xFB\x54\x44\x2D\x18.", REAL);
    ACCEPT("X\2\0\0\0ab.", TEXT);
    ACCEPT("\x8C\2ab.", TEXT);
    ACCEPT("\x8D\2\0\0\0\0\0\0\0ab.", TEXT);
    ACCEPT("C\2ab.", OPAQUE);
    ACCEPT("(K\1K\2t.", TUPLE);
    ACCEPT("(K\1K\2l.", LIST);
    ACCEPT("](K\1K\2e.", LIST);
    ACCEPT("]K\1a.", LIST);
    ACCEPT("}(K\1K\2u.", DICT);
    ACCEPT("}K\1K\2s.", DICT);
    ACCEPT("(K\1K\2d.", DICT);
    ACCEPT("(K\1K\2"
           "1N.",
           NONE);
    ACCEPT("\x80\x04\x95\2\0\0\0\0\0\0\0N.", NONE);
    ACCEPT("}q\0h\0"
           "0.",
           DICT);
    ACCEPT("}r\1\0\0\0j\1\0\0\0"
           "0.",
           DICT);
    ACCEPT("}\x94h\0"
           "0.",
           DICT);
    ACCEPT("ccollections\nOrderedDict\n)R}b.", DICT);
    ACCEPT("\x8C\x0B"
           "collections\x8C\x0BOrderedDict\x93)R.",
           DICT);
}

static void test_globals(void **state)
{
    (void)state;
    REFUSE("\x80\x02"
           "cposix\nsystem\nX\x0B\0\0\0touch pwned\x85R.",
           UNSUPPORTED, "\"posix.system\"");
    REFUSE("cos\nsystem\n.", UNSUPPORTED, "\"os.system\"");
    REFUSE("\x8C\x05posix\x8C\x06system\x93.", UNSUPPORTED, "\"posix.system\"");
    REFUSE("c__builtin__\neval\n.", UNSUPPORTED, "\"__builtin__.eval\"");
    REFUSE("cbuiltins\ngetattr\n.", UNSUPPORTED, "\"builtins.getattr\"");
    REFUSE("ctorch.storage\n_load_from_bytes\n.", UNSUPPORTED, "\"torch.storage._load_from_bytes\"");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2 \n.", UNSUPPORTED, "_rebuild_tensor_v2 ");
    REFUSE("ctorch\nFloatStorage.x\n.", UNSUPPORTED, "FloatStorage.x");
    REFUSE("c\n\n.", UNSUPPORTED, "\".\"");
    REFUSE("cbad\x01\xFF\nx\n.", UNSUPPORTED, "\"bad??.x\"");
    REFUSE("(S'touch pwned'\nios\nsystem\n.", UNSUPPORTED, "opcode 0x53");
    REFUSE("(ios\nsystem\n.", UNSUPPORTED, "\"os.system\"");
    REFUSE("(icollections\nOrderedDict\n.", UNSUPPORTED, "opcode 0x69");
    REFUSE("ccollections\nOrderedDict\n)\x81.", UNSUPPORTED, "opcode 0x81");
    REFUSE("ctorch\nFloatStorage\n)R.", UNSUPPORTED, "calls torch.FloatStorage");
    REFUSE("ccollections\nOrderedDict\n]\x85R.", UNSUPPORTED, "calls collections.OrderedDict with 1 arguments");
    REFUSE("}K\1K\2s)R.", FORMAT, "calls what is not a function");
    REFUSE("ccollections\nOrderedDict\n]R.", FORMAT, "arguments that are no tuple");
    REFUSE("ccollections", FORMAT, "a line without an end");
    REFUSE("ccollections\nOrdered", FORMAT, "a line without an end");
    REFUSE("K\1K\2\x93.", FORMAT, "whose name is no text");
}

static void test_structure(void **state)
{
    (void)state;
    REFUSE("", FORMAT, "it is empty");
    REFUSE("N", FORMAT, "1 bytes are wanted at byte 1 of 1");
    REFUSE(".", FORMAT, "a value is missing");
    REFUSE("(.", FORMAT, "a value is missing");
    REFUSE("NN.", FORMAT, "left on the stack");
    REFUSE("N.N", FORMAT, "bytes follow its end");
    REFUSE("\x80\x06N.", UNSUPPORTED, "pickle protocol 6");
    REFUSE("\x80\x01N.", UNSUPPORTED, "pickle protocol 1");
    REFUSE("\xFF.", UNSUPPORTED, "opcode 0xFF at byte 0");
    REFUSE("I1\n.", UNSUPPORTED, "opcode 0x49");
    REFUSE(")K\1K\2s.", FORMAT, "SETITEM on what is not a dict"); /* a tuple */
    REFUSE("NK\1K\2s.", FORMAT, "SETITEM on what is not a dict");
    REFUSE("](K\1K\2u.", FORMAT, "SETITEM on what is not a dict");
    REFUSE("}(K\1u.", FORMAT, "a key without a value");
    REFUSE("}K\1a.", FORMAT, "APPEND to what is not a list");
    REFUSE(")(K\1e.", FORMAT, "APPEND to what is not a list");
    REFUSE("N}b.", FORMAT, "attributes for what is not");
    REFUSE("t.", FORMAT, "a mark is missing");
    REFUSE("NNt.", FORMAT, "a mark is missing");
    REFUSE("(e.", FORMAT, "a value is missing");
    REFUSE("N\x86.", FORMAT, "a value is missing");
    REFUSE("N(\x86.", FORMAT, "a value is missing");
    REFUSE("h\0.", FORMAT, "nothing has memo index 0");
    REFUSE("Nq\5h\4.", FORMAT, "nothing has memo index 4");
    REFUSE("Nr\xFF\xFF\xFF\xFF.", FORMAT, "memo index 4294967295 is out of range");
    REFUSE("q\0.", FORMAT, "a value is missing");
    REFUSE("(q\0.", FORMAT, "a value is missing");
    REFUSE("X\xFF\xFF\xFF\xFFzz.", FORMAT, "4294967295 bytes are wanted");
    REFUSE("\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFzz.", FORMAT, "18446744073709551615 bytes are wanted");
    REFUSE("\x8B\xFF\xFF\xFF\x7Fzz.", FORMAT, "bytes are wanted");
    REFUSE("\x80\x04\x95\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7FN.", FORMAT,
           "a frame of 9223372036854775807 bytes where 2 follow");
    REFUSE("\x80\x04\x95\3\0\0\0\0\0\0\0N.", FORMAT, "a frame of 3 bytes where 2 follow");
}

/* Memo loops: a list and a dict that hold themselves. */
static void test_loops(void **state)
{
    (void)state;
    ACCEPT("]q\0h\0a.", LIST);
    ACCEPT("}q\0(h\0h\0u.", DICT);
    ACCEPT("]q\0h\0\x85\x85\x85q\1h\0h\1a"
           "00.",
           LIST);
}

#define STORAGE                                                                                                        \
    "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                                                 \
    "0X\3\0\0\0cpuK\x10tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n("
#define REST "\x89}tR."
#define HUGE_NUMBER "\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"

static void test_tensors(void **state)
{
    (void)state;
    ACCEPT(REBUILD STORAGE "K\0K\4K\4\x86K\4K\1\x86" REST, TENSOR);
    ACCEPT(REBUILD STORAGE "K\x0FK\1\x85K\1\x85" REST, TENSOR);
    ACCEPT(REBUILD STORAGE "K\x0F))" REST, TENSOR);
    ACCEPT(REBUILD STORAGE "K\x10K\0\x85K\1\x85" REST, TENSOR);
    ACCEPT("ctorch._utils\n_rebuild_parameter\n" REBUILD STORAGE "K\0))\x89}tR\x88}\x87R.", TENSOR);

    REFUSE(REBUILD STORAGE "K\x10))" REST, FORMAT, "outside of its storage");
    REFUSE(REBUILD STORAGE "K\1K\4K\4\x86K\4K\1\x86" REST, FORMAT, "outside of its storage");
    REFUSE(REBUILD STORAGE "K\0K\2\x85K\x10\x85" REST, FORMAT, "outside of its storage");
    REFUSE(REBUILD STORAGE "K\x11K\0\x85K\1\x85" REST, FORMAT, "outside of its storage");
    REFUSE(REBUILD STORAGE "K\0K\3\x85" HUGE_NUMBER "\x85" REST, FORMAT, "outside of its storage");
    REFUSE(REBUILD STORAGE "K\0" HUGE_NUMBER "\x85" HUGE_NUMBER "\x85" REST, FORMAT, "outside of its storage");
    REFUSE(REBUILD STORAGE HUGE_NUMBER "K\2" HUGE_NUMBER "\x86K\1K\1\x86" REST, FORMAT, "outside of its storage");
    REFUSE(REBUILD STORAGE "K\0K\2\x85J\xFF\xFF\xFF\xFF\x85" REST, FORMAT, "no whole numbers");
    REFUSE(REBUILD STORAGE "K\0J\xFF\xFF\xFF\xFF\x85K\1\x85" REST, FORMAT, "no whole numbers");
    REFUSE(REBUILD STORAGE "J\xFF\xFF\xFF\xFFK\2\x85K\1\x85" REST, FORMAT, "offset is no whole number");
    REFUSE(REBUILD STORAGE "K\0N\x85K\1\x85" REST, FORMAT, "no whole numbers");
    REFUSE(REBUILD STORAGE "K\0K\1K\1\x86K\1\x85" REST, FORMAT, "no tuples of the same length");
    REFUSE(REBUILD STORAGE "K\0]]" REST, FORMAT, "no tuples of the same length");
    REFUSE(REBUILD STORAGE "K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1K\1K\1t" REST, FORMAT, "more than 8");
    REFUSE(REBUILD "NK\0))" REST, FORMAT, "storage is none");
    REFUSE(REBUILD STORAGE "K\0)tR.", UNSUPPORTED, "with 3 arguments");
    REFUSE("ctorch._utils\n_rebuild_parameter\nN\x88}\x87R.", FORMAT, "a parameter that is no tensor");
}

static void test_storages(void **state)
{
    (void)state;
    ACCEPT("(X\7\0\0\0storagectorch\nLongStorage\nX\1\0\0\0"
           "0X\3\0\0\0cpuK\x08tQ.",
           STORAGE);
    /* 2^40 elements over 64 bytes */
    REFUSE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
           "0X\3\0\0\0cpu\x8A\x06\0\0\0\0\0\1tQ.",
           FORMAT, "storage 0 is said to have 1099511627776 elements of float32, but has 64 bytes");
    REFUSE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
           "0X\3\0\0\0cpuK\x11tQ.",
           FORMAT, "17 elements");
    REFUSE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
           "0X\3\0\0\0cpu" HUGE_NUMBER "tQ.",
           FORMAT, "elements");
    REFUSE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
           "0X\3\0\0\0cpuJ\xFF\xFF\xFF\xFFtQ.",
           FORMAT, "stands for no storage");
    REFUSE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
           "1X\3\0\0\0cpuK\1tQ.",
           FORMAT, "no such storage");
    REFUSE("(X\7\0\0\0storageccollections\nOrderedDict\nX\1\0\0\0"
           "0X\3\0\0\0cpuK\1tQ.",
           FORMAT, "stands for no storage");
    REFUSE("NQ.", FORMAT, "stands for no storage");
    REFUSE(")Q.", FORMAT, "stands for no storage");
    REFUSE("]Q.", FORMAT, "stands for no storage");
    REFUSE("(X\7\0\0\0storagectorch\nFloatStorage\nK\1X\3\0\0\0cpuK\1tQ.", FORMAT, "stands for no storage");
}

/* `start`, then `count` times `unit`, then `end`. */
static void flood(const char *start, size_t start_size, const char *unit, size_t unit_size, size_t count,
                  const char *end, size_t end_size, sam2_status code, const char *part)
{
    buffer b = new_bytes();
    put(&b, start, start_size);
    for (size_t i = 0; i < count; i++)
        put(&b, unit, unit_size);
    put(&b, end, end_size);
    if (code == SAM2_OK)
        accept(b.bytes, b.size, PICKLE_NONE);
    else
        refuse(b.bytes, b.size, code, part);
    buffer_free(&b);
}

#define FLOOD(start, unit, count, end, code, part)                                                                     \
    flood(start, sizeof(start) - 1, unit, sizeof(unit) - 1, count, end, sizeof(end) - 1, SAM2_##code, part)

static void test_floods(void **state)
{
    (void)state;
    const size_t million = 1000000;
    FLOOD("", "(", million, ".", ERROR_FORMAT, "nests too deeply");
    FLOOD("", "(", 100000, ".", ERROR_FORMAT, "a value is missing");
    FLOOD("N", "\x85", million, "0N.", OK, "");
    FLOOD("", "]", million, ".", ERROR_FORMAT, "nests too deeply");
    FLOOD("", "]", 300000, ".", ERROR_FORMAT, "left on the stack");
    FLOOD("", "}", million, ".", ERROR_FORMAT, "nests too deeply");
    FLOOD("", "]0", 5 * million, "N.", ERROR_FORMAT, "take more than 33554432 bytes of memory");
    FLOOD("N", "\x94", million, ".", ERROR_FORMAT, "out of range");
    FLOOD("N", "\x94", 500000, ".", OK, "");
    FLOOD("]", "Na", 3 * million, "0N.", ERROR_FORMAT, "take more than");
    FLOOD("]", "Na", 400000, "0N.", OK, "");
    FLOOD("}", "NNs", 200000, "0N.", OK, "");
    FLOOD("N", "N0", 8 * million, ".", OK, "");
    FLOOD("N", "(1", 8 * million, ".", OK, "");
    FLOOD("N", "N0", 9 * million, ".", ERROR_UNSUPPORTED, "at most 16777216 are read");
    FLOOD("N", "\x80\2", million, ".", OK, "");
    FLOOD("}q\0", "h\0b", million, "0N.", OK, "");
    /* nested tuples of two of the same: 2^n leaves if anybody walked them */
    FLOOD("Nq\0",
          "h\0h\0\x86q\0"
          "0",
          100000, ".", OK, "");
    FLOOD("N(", "c", million, "\nx\n.", ERROR_UNSUPPORTED, "\"ccc");
}

/* Memory runs out at every allocation in turn. */
static void test_allocation_failures(void **state)
{
    (void)state;
    static const char bytes[] =
        "\x80\x02}q\0X\1\0\0\0aq\1ccollections\nOrderedDict\nq\2)Rq\3(h\1]q\4(K\1K\2eh\4(K\1K\2K\3tuh\1" REBUILD STORAGE
        "K\0K\4K\4\x86K\4K\1\x86\x89}tRs0N.";
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        tally t = TALLY;
        t.fail_at = n;
        sam2_allocator a = tally_allocator(&t);
        pickle p;
        sam2_error error = {0};
        sam2_status status = pickle_load(&p, &a, (const uint8_t *)bytes, sizeof bytes - 1, find_storage, NULL, &error);
        if (status == SAM2_OK)
            pickle_free(&p);
        assert_int_equal(t.blocks, 0);
        if (t.calls < n)
            break;
        expect_failure(status, &error, SAM2_ERROR_MEMORY, "out of memory");
        failures++;
    }
    assert_true(failures >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),    cmocka_unit_test(test_globals),
        cmocka_unit_test(test_structure), cmocka_unit_test(test_loops),
        cmocka_unit_test(test_tensors),   cmocka_unit_test(test_storages),
        cmocka_unit_test(test_floods),    cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
