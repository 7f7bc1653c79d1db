/* Files given by mistake are named as what they are. */
#include "weights/support.h"

#include <stdio.h>
#include <stdlib.h>

static void refuse_text(const char *text, const char *part)
{
    refuse_bytes(text, strlen(text), SAM2_ERROR_FORMAT, part);
}

static void test_mistakes(void **state)
{
    (void)state;
    refuse_bytes("", 0, SAM2_ERROR_FORMAT, "the file is empty");
    refuse_text("<!DOCTYPE html>\n<html><head><title>404", "an HTML page, not a checkpoint; the download failed?");
    refuse_text("\xEF\xBB\xBF \r\n  <html lang=en>", "an HTML page");
    refuse_text("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an HTML page");
    refuse_text("version https://git-lfs.github.com/spec/v1\noid "
                "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
                "a Git LFS pointer, not the model itself");
    refuse_text("{\"error\":\"not found\"}", "a JSON text");
    refuse_text("Not found", "a text file");
    refuse_text("x", "a text file");
    refuse_bytes("\x1F\x8B\x08\0\0\0\0\0", 8, SAM2_ERROR_FORMAT, "gzip");
    refuse_bytes("BZh91AY&SY", 10, SAM2_ERROR_FORMAT, "bzip2");
    refuse_bytes("\xFD"
                 "7zXZ\0\0",
                 7, SAM2_ERROR_FORMAT, "xz archive");
    refuse_bytes("\x28\xB5\x2F\xFD....", 8, SAM2_ERROR_FORMAT, "zstd");
    refuse_bytes("GGUF\3\0\0\0", 8, SAM2_ERROR_FORMAT, "GGUF");
    refuse_bytes("\x89PNG\r\n\x1A\n", 8, SAM2_ERROR_FORMAT, "PNG");
    refuse_bytes("\xFF\xD8\xFF\xE0\0\x10JFIF", 10, SAM2_ERROR_FORMAT, "JPEG");
    refuse_bytes("\x7F"
                 "ELF\2\1\1",
                 7, SAM2_ERROR_FORMAT, "a program");
    refuse_bytes("\x93NUMPY\1\0", 8, SAM2_ERROR_FORMAT, "NumPy");
    refuse_bytes("\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.", 15, SAM2_ERROR_UNSUPPORTED,
                 "a PyTorch file of the old kind");
    refuse_bytes("\x80\x04\x95\x0A", 4, SAM2_ERROR_UNSUPPORTED, "a bare pickle");
    refuse_bytes("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22, SAM2_ERROR_FORMAT, "an empty zip file");
    refuse_bytes("\1\2\3\xFF\xFE\xFD\0\x80\x81", 9, SAM2_ERROR_FORMAT,
                 "9 bytes that begin with 01 02 03 FF FE FD 00 80");
    refuse_bytes("\xFF", 1, SAM2_ERROR_FORMAT, "begin with FF");

    uint8_t block[5000] = {0};
    refuse_bytes(block, sizeof block, SAM2_ERROR_FORMAT, "zeros only");
    memcpy(block, "weights.pt", 10);
    memcpy(block + 257, "ustar", 5);
    refuse_bytes(block, sizeof block, SAM2_ERROR_FORMAT, "a tar archive");
}

/* Kinds that share a magic with what is read. */
static void test_near_misses(void **state)
{
    (void)state;
    refuse_bytes("SAM2\n\x1A\n.......................................................", 60, SAM2_ERROR_FORMAT,
                 "a transfer as text");
    refuse_bytes("SAM2\r\n\x1A\n", 8, SAM2_ERROR_FORMAT, "cut off at 8 bytes");
    refuse_bytes("PK\3\4", 4, SAM2_ERROR_FORMAT, "zip central directory missing: the file is cut off at 4 bytes");
    refuse_bytes("\xFF\xFF\0\0\0\0\0\0{", 9, SAM2_ERROR_FORMAT,
                 "the safetensors header takes 65535 bytes, but only 1 follow");
    refuse_bytes("12345678{\"a\":1}", 15, SAM2_ERROR_FORMAT, "a text file");
}

static void test_files(void **state)
{
    (void)state;
    weights *w = NULL;
    sam2_error error;
    expect_failure(weights_open(&alloc_default, TEST_DATA, 0, &w, &error), &error, SAM2_ERROR_FILE, "is a directory");
    expect_failure(weights_open(&alloc_default, "/nonexistent.pt", 0, &w, &error), &error, SAM2_ERROR_FILE,
                   "/nonexistent.pt");
    expect_failure(weights_open(&alloc_default, TEST_DATA "/weights/synth.txt", 0, &w, &error), &error,
                   SAM2_ERROR_FORMAT, "synth.txt: a text file, not a checkpoint");
    expect_failure(weights_open(&alloc_default, TEST_DATA "/weights/torch_old.pt", 0, &w, &error), &error,
                   SAM2_ERROR_UNSUPPORTED, "torch_old.pt: a PyTorch file of the old kind");
    expect_failure(weights_open(&alloc_default, TEST_DATA "/weights/torch_module.pt", 0, &w, &error), &error,
                   SAM2_ERROR_UNSUPPORTED, "\"torch.nn.modules.linear.Linear\"");
    expect_failure(weights_open(&alloc_default, TEST_DATA "/weights/torch_transposed.pt", 0, &w, &error), &error,
                   SAM2_ERROR_UNSUPPORTED, "tensor a is stored with gaps or transposed");
    expect_failure(weights_open(&alloc_default, TEST_DATA "/weights/torch_float64.pt", 0, &w, &error), &error,
                   SAM2_ERROR_UNSUPPORTED, "tensor a is of type float64");

    char path[256];
    temporary_path(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fclose(file);
    expect_failure(weights_open(&alloc_default, path, 0, &w, &error), &error, SAM2_ERROR_FORMAT, ": the file is empty");
    remove(path);
    assert_null(w);
}

/* A long label leaves room for the reason, and keeps its end. */
static void test_label(void **state)
{
    (void)state;
    char label[2000];
    memset(label, 'd', sizeof label);
    for (size_t i = 0; i + 2 < sizeof label; i += 2)
        memcpy(label + i, "\xC3\xA9", 2);
    strcpy(label + sizeof label - 12, "/model.pt");
    weights *w = NULL;
    sam2_error error;
    expect_failure(weights_open_memory(&alloc_default, "x", 1, label, 0, &w, &error), &error, SAM2_ERROR_FORMAT,
                   "/model.pt: a text file, not a checkpoint");
    assert_true(weights_is_utf8(error.text, strlen(error.text)));
    expect_failure(weights_open_memory(&alloc_default, "", 0, "short", 0, &w, NULL),
                   &(sam2_error){.code = SAM2_ERROR_FORMAT}, SAM2_ERROR_FORMAT, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_near_misses),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
