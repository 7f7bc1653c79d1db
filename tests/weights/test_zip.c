/* Zip files and PyTorch files made to order: what is right is read, lies are refused. */
#include "weights/support.h"
#include "weights/zip.h"

#include <stdio.h>

#define STORAGE                                                                                                        \
    "((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                                                \
    "0X\3\0\0\0cpuK\4tQ"
#define TENSOR(offset, size, stride) "ctorch._utils\n_rebuild_tensor_v2\n" STORAGE offset size stride "\x89}tR"
#define GOOD "\x80\2}X\1\0\0\0a" TENSOR("K\0", "K\4\x85", "K\1\x85") "s."

static const float four[4] = {1, 2, 3, 4};

static const test_entry good[3] = {
    {.name = "archive/data.pkl", .data = GOOD, .size = sizeof GOOD - 1},
    {.name = "archive/byteorder", .data = "little", .size = 6},
    {.name = "archive/data/0", .data = four, .size = sizeof four},
};

static void accept(buffer b)
{
    weights *w = NULL;
    sam2_error error;
    expect_ok(weights_open_memory(&alloc_default, b.bytes, b.size, "the file", 1, &w, &error), &error);
    const weights_tensor *t = weights_find(w, "a");
    assert_non_null(t);
    assert_int_equal(t->count, 4);
    assert_memory_equal(t->data, four, sizeof four);
    weights_close(w);
    buffer_free(&b);
}

static void refuse(buffer b, sam2_status code, const char *part)
{
    refuse_bytes(b.bytes, b.size, code, part);
    buffer_free(&b);
}

/* The good file with entry `index` changed. */
static buffer changed(int index, test_entry e)
{
    test_entry entries[3];
    memcpy(entries, good, sizeof good);
    if (!e.name)
        e.name = good[index].name;
    if (!e.data) {
        e.data = good[index].data;
        e.size = good[index].size;
    }
    entries[index] = e;
    return make_zip(entries, 3);
}

static void test_good(void **state)
{
    (void)state;
    accept(make_zip(good, 3));
    for (int i = 0; i < 3; i++) {
        accept(changed(i, (test_entry){.zip64 = 1}));
        accept(changed(i, (test_entry){.stream = 1}));
        accept(changed(i, (test_entry){.stream = 1, .zip64 = 1}));
        accept(changed(i, (test_entry){.flags = 0x800}));
    }
    /* a comment at the end, even one with a false end record */
    buffer b = make_zip(good, 3);
    put_le16(b.bytes + b.size - 2, 30);
    put_text(&b, "PK\5\6..........................");
    accept(b);
    /* without "byteorder", and with a folder's entry */
    const test_entry old[] = {good[0], good[2], {.name = "archive/data/", .data = "", .size = 0}};
    accept(make_zip(old, 3));
}

static void test_entries(void **state)
{
    (void)state;
    const char *const unsafe[] = {"../../x", "/etc/passwd", "a/../b", "..", "a\\b", "archive/.."};
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        refuse(changed(1, (test_entry){.name = unsafe[i]}), SAM2_ERROR_FORMAT, "an unsafe entry name");
    accept(changed(1, (test_entry){.name = "archive/..x/...", .data = "", .size = 0}));
    refuse(changed(2, (test_entry){.method = 8}), SAM2_ERROR_UNSUPPORTED,
           "entry archive/data/0 is compressed (method 8)");
    refuse(changed(2, (test_entry){.flags = 1}), SAM2_ERROR_UNSUPPORTED, "entry archive/data/0 is encrypted");
    refuse(changed(2, (test_entry){.local_name = "archive/data/1"}), SAM2_ERROR_FORMAT,
           "contradicts the central directory");
    refuse(changed(2, (test_entry){.local_name = "x"}), SAM2_ERROR_FORMAT, "contradicts the central directory");
    refuse(changed(2, (test_entry){.directory_size = 15}), SAM2_ERROR_FORMAT, "contradicts the central directory");
    refuse(changed(2, (test_entry){.directory_size = 1000000}), SAM2_ERROR_FORMAT,
           "size of 1000000 bytes is not possible");
    refuse(changed(2, (test_entry){.directory_size = 17, .stream = 1}), SAM2_ERROR_FORMAT,
           ""); /* overlaps nothing, wrong CRC */
    refuse(changed(2, (test_entry){.directory_size = 300, .stream = 1}), SAM2_ERROR_FORMAT,
           "reach beyond the file's data");
    refuse(changed(0, (test_entry){.directory_size = sizeof GOOD + 30, .stream = 1}), SAM2_ERROR_FORMAT,
           "entries archive/data.pkl and archive/byteorder overlap");
    refuse(changed(2, (test_entry){.directory_size = UINT64_MAX, .zip64 = 1}), SAM2_ERROR_FORMAT, "is not possible");
    refuse(changed(2, (test_entry){.directory_offset = UINT64_MAX - 8, .zip64 = 1}), SAM2_ERROR_FORMAT,
           "outside of the file");
    refuse(changed(2, (test_entry){.directory_offset = 7}), SAM2_ERROR_FORMAT, "there is no header at byte 7");
    refuse(changed(2, (test_entry){.directory_offset = 1 << 30}), SAM2_ERROR_FORMAT, "outside of the file");
    refuse(changed(2, (test_entry){.name = "archive/byteorder"}), SAM2_ERROR_FORMAT,
           "entry archive/byteorder is there twice");
    refuse(changed(2, (test_entry){.crc_flip = 4, .stream = 1}), SAM2_ERROR_FORMAT, "CRC mismatch in archive/data/0");
    refuse(changed(0, (test_entry){.crc_flip = 4, .stream = 1}), SAM2_ERROR_FORMAT, "CRC mismatch in archive/data.pkl");
    refuse(changed(2, (test_entry){.crc_flip = 4}), SAM2_ERROR_FORMAT, "contradicts the central directory");
}

/* A flipped byte in a tensor is found when asked for, and only then. */
static void test_verify(void **state)
{
    (void)state;
    buffer b = make_zip(good, 3);
    for (size_t i = 0; i + sizeof four <= b.size; i++)
        if (memcmp(b.bytes + i, four, sizeof four) == 0)
            b.bytes[i + 5] ^= 1;
    refuse_bytes(b.bytes, b.size, SAM2_ERROR_FORMAT, "CRC mismatch in archive/data/0");
    weights *w = NULL;
    sam2_error error;
    expect_ok(weights_open_memory(&alloc_default, b.bytes, b.size, "the file", 0, &w, &error), &error);
    weights_close(w);
    buffer_free(&b);
}

/* The end record and its zip64 sibling, byte by byte. */
static void test_end_records(void **state)
{
    (void)state;
    struct {
        size_t at; /* from the end record's start */
        int bytes;
        uint64_t value;
        sam2_status code;
        const char *part;
    } cases[] = {
        {4, 2, 1, SAM2_ERROR_UNSUPPORTED, "several parts"},
        {8, 2, 2, SAM2_ERROR_UNSUPPORTED, "several parts"},
        {8, 4, 4 | 4 << 16, SAM2_ERROR_FORMAT, "damaged"},
        {8, 4, 2 | 2 << 16, SAM2_ERROR_FORMAT, "holds more than"},
        {8, 4, 0xFFFFFFFF, SAM2_ERROR_FORMAT, "cannot hold"},
        {12, 4, 10, SAM2_ERROR_FORMAT, "does not end where"},
        {12, 4, 0xFFFFFFFF, SAM2_ERROR_FORMAT, "does not end"},
        {16, 4, 0xFFFFFFF0, SAM2_ERROR_FORMAT, "does not end"},
        {20, 2, 5, SAM2_ERROR_FORMAT, "directory missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer b = make_zip(good, 3);
        uint8_t le[8];
        put_le64(le, cases[i].value);
        memcpy(b.bytes + b.size - 22 + cases[i].at, le, (size_t)cases[i].bytes);
        refuse(b, cases[i].code, cases[i].part);
    }
    refuse(make_zip(good, 0), SAM2_ERROR_FORMAT, "an empty zip file");
}

/* Rebuilds the good file's end with a zip64 record of these numbers. */
static buffer with_end64(uint64_t count, uint64_t length, uint64_t at, uint64_t record_size, uint64_t record_at,
                         bool add_real)
{
    buffer b = make_zip(good, 3);
    size_t end = b.size - 22;
    uint64_t real_length = get_le32(b.bytes + end + 12), real_at = get_le32(b.bytes + end + 16);
    b.size = end;
    put_text(&b, "PK\6\6");
    put_number(&b, record_size, 8);
    put_number(&b, 45 | 45 << 16, 4);
    put_number(&b, 0, 8);
    put_number(&b, count, 8);
    put_number(&b, count, 8);
    put_number(&b, add_real ? real_length + length : length, 8);
    put_number(&b, add_real ? real_at + at : at, 8);
    put_text(&b, "PK\6\7");
    put_number(&b, 0, 4);
    put_number(&b, add_real ? end + record_at : record_at, 8);
    put_number(&b, 1, 4);
    put_text(&b, "PK\5\6");
    put_number(&b, 0, 4);
    put_number(&b, 0xFFFFFFFF, 4);
    put_number(&b, 0xFFFFFFFF, 4);
    put_number(&b, 0xFFFFFFFF, 4);
    put_number(&b, 0, 2);
    return b;
}

static void test_zip64_lies(void **state)
{
    (void)state;
    accept(with_end64(3, 0, 0, 44, 0, true));
    refuse(with_end64(4, 0, 0, 44, 0, true), SAM2_ERROR_FORMAT, "damaged");
    refuse(with_end64(UINT64_MAX, 0, 0, 44, 0, true), SAM2_ERROR_FORMAT, "cannot hold");
    refuse(with_end64(3, 1, 0, 44, 0, true), SAM2_ERROR_FORMAT, "does not end");
    refuse(with_end64(3, UINT64_MAX, 0, 44, 0, true), SAM2_ERROR_FORMAT, "does not end");
    refuse(with_end64(3, 0, UINT64_MAX, 44, 0, true), SAM2_ERROR_FORMAT, "does not end");
    refuse(with_end64(3, UINT64_MAX, UINT64_MAX, 44, 100, false), SAM2_ERROR_FORMAT, "zip64 end record is not where");
    refuse(with_end64(3, 0, 0, 44, 1, true), SAM2_ERROR_FORMAT, "zip64 end record is not where");
    refuse(with_end64(3, 0, 0, 44, UINT64_MAX, false), SAM2_ERROR_FORMAT, "zip64 end record is not where");
    refuse(with_end64(3, 0, 0, 43, 0, true), SAM2_ERROR_FORMAT, "zip64 end record's size");
    refuse(with_end64(3, 0, 0, UINT64_MAX, 0, true), SAM2_ERROR_FORMAT, "zip64 end record's size");
    /* two end records that disagree */
    buffer b = with_end64(3, 0, 0, 44, 0, true);
    put_le32(b.bytes + b.size - 22 + 16, 5);
    refuse(b, SAM2_ERROR_FORMAT, "contradict each other");
}

static void refuse_pickle(const char *pickled, size_t size, sam2_status code, const char *part)
{
    refuse(make_pt(pickled, size, four, sizeof four), code, part);
}

#define REFUSE_PICKLE(pickled, code, part) refuse_pickle(pickled, sizeof(pickled) - 1, SAM2_ERROR_##code, part)

static void test_state_dicts(void **state)
{
    (void)state;
    const test_entry without[] = {{.name = "archive/other.pkl", .data = GOOD, .size = sizeof GOOD - 1}};
    refuse(make_zip(without, 1), SAM2_ERROR_FORMAT, "a zip file without data.pkl");
    const test_entry nested[] = {{.name = "a/b/data.pkl", .data = GOOD, .size = sizeof GOOD - 1}};
    refuse(make_zip(nested, 1), SAM2_ERROR_FORMAT, "a zip file without data.pkl");
    const test_entry two[] = {good[0], {.name = "b/data.pkl", .data = GOOD, .size = sizeof GOOD - 1}};
    refuse(make_zip(two, 2), SAM2_ERROR_FORMAT, "more than one data.pkl");
    refuse(changed(1, (test_entry){.data = "big", .size = 3}), SAM2_ERROR_UNSUPPORTED, "byte order is \"big\"");
    refuse(changed(2, (test_entry){.name = "archive/data/1"}), SAM2_ERROR_FORMAT, "storage data/0 is missing");
    refuse(changed(2, (test_entry){.data = four, .size = 12}), SAM2_ERROR_FORMAT,
           "storage 0 is said to have 4 elements of float32, but has 12 bytes");

    REFUSE_PICKLE("N.", FORMAT, "not a dict of tensors");
    REFUSE_PICKLE("}.", FORMAT, "no tensors in it");
    REFUSE_PICKLE("}X\5\0\0\0model}s.", FORMAT, "no tensors in it");
    REFUSE_PICKLE("}X\5\0\0\0epochK\3s.", FORMAT, "no tensors in it");
    REFUSE_PICKLE("}X\0\0\0\0" TENSOR("K\0", "K\4\x85", "K\1\x85") "s.", FORMAT,
                  "a tensor's name of 0 bytes is not valid");
    REFUSE_PICKLE("}X\2\0\0\0\xC3(" TENSOR("K\0", "K\4\x85", "K\1\x85") "s.", FORMAT, "is not valid: \"?(\"");
    REFUSE_PICKLE("}X\1\0\0\0\n" TENSOR("K\0", "K\4\x85", "K\1\x85") "s.", FORMAT, "is not valid");
    REFUSE_PICKLE(
        "}X\1\0\0\0a" TENSOR("K\0", "K\4\x85", "K\1\x85") "sX\1\0\0\0a" TENSOR("K\0", "K\4\x85", "K\1\x85") "s.",
        FORMAT, "tensor a is there twice");
    REFUSE_PICKLE("}X\1\0\0\0a" TENSOR("K\0", "K\2K\2\x86", "K\1K\2\x86") "s.", UNSUPPORTED,
                  "tensor a is stored with gaps or transposed");
    REFUSE_PICKLE("}X\1\0\0\0a" TENSOR("K\0", "K\4K\2\x86", "K\1K\0\x86") "s.", UNSUPPORTED,
                  "tensor a is stored with gaps or transposed");
    REFUSE_PICKLE("}X\1\0\0\0a" TENSOR("K\0", "\x8A\5\0\0\0\0\1\x8A\5\0\0\0\0\1\x86", "K\0K\0\x86") "s.", FORMAT,
                  "overflows");
    REFUSE_PICKLE("}X\1\0\0\0a" TENSOR("K\0", "\x8A\5\0\0\0\0\1\x85", "K\0\x85") "s.", UNSUPPORTED, "stored with gaps");
    REFUSE_PICKLE("cposix\nsystem\nX\x0B\0\0\0touch pwned\x85R.", UNSUPPORTED, "\"posix.system\"");
    accept(make_pt("}X\1\0\0\0a" TENSOR("K\0", "K\4K\1\x86", "K\1K\x63\x86") "s.",
                   sizeof("}X\1\0\0\0a" TENSOR("K\0", "K\4K\1\x86", "K\1K\x63\x86") "s.") - 1, four, sizeof four));
}

/* 20000 entries and 20000 tensors with the same storage. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    static test_entry entries[MANY + 1];
    static char names[MANY][24];
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "archive/data/%d", i);
        entries[i] = (test_entry){.name = names[i], .data = four, .size = sizeof four};
    }
    entries[MANY] = good[0];
    accept(make_zip(entries, MANY + 1));

    buffer b = new_bytes();
    put_text(&b, "}(");
    static const char tensor[] = TENSOR("K\0", "K\4\x85", "K\1\x85");
    for (int i = 0; i < MANY; i++) {
        put(&b, "X\5\0\0\0", 5);
        snprintf(names[0], sizeof names[0], "%05d", i);
        put(&b, names[0], 5);
        put(&b, tensor, sizeof tensor - 1);
    }
    put_text(&b, "u.");
    refuse(make_pt(b.bytes, b.size, four, sizeof four), SAM2_ERROR_FORMAT, "more than 16384 tensors");
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_entries),    cmocka_unit_test(test_verify),
        cmocka_unit_test(test_end_records), cmocka_unit_test(test_zip64_lies), cmocka_unit_test(test_state_dicts),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
