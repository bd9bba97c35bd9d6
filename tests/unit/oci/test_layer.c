/* The adapter's layer out and in again; archives that try to leave their folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "../child.h"
#include "base/file.h"
#include "base/str.h"
#include "oci/oci.h"

struct fixture { char *dir, *from, *out, *layer; };

static void write_text(const char *dir, const char *name, struct str bytes)
{
    AUTO_MEM char *path = path_join(dir, name);
    assert_int_equal(file_write_atomic(path, bytes, 0600, NULL), ERR_OK);
}

static int set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    f->dir = test_folder();
    f->from = path_join(f->dir, "from");
    f->out = path_join(f->dir, "out");
    f->layer = path_join(f->dir, "x.tar");
    assert_int_equal(dir_make(f->from, 0755, NULL), ERR_OK);
    assert_int_equal(dir_make(f->out, 0755, NULL), ERR_OK);
    write_text(f->from, "adapter_config.json", STR("{\"r\":16}"));
    write_text(f->from, "adapter_model.safetensors", STR("tensors"));
    write_text(f->from, "README.md", STR("stays here"));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(dir_remove(f->dir, NULL), ERR_OK);
    free(f->layer);
    free(f->out);
    free(f->from);
    free(f->dir);
    free(f);
    return 0;
}

static void assert_text(const char *dir, const char *name, const char *want)
{
    AUTO_MEM char *path = path_join(dir, name);
    AUTO_BUF b = { 0 };
    struct err e = { 0 };

    if (file_read(path, 1 << 20, &b, &e))
        fail_msg("%s", e.text);
    assert_string_equal(buf_cstr(&b), want);
}

static void assert_absent(const char *dir, const char *name)
{
    AUTO_MEM char *path = path_join(dir, name);
    assert_false(file_exists(path));
}

static void the_same_adapter_gives_the_same_image(void **state)
{
    struct fixture *f = *state;
    AUTO_OCI_IMAGE a = { 0 }, b = { 0 }, c = { 0 };
    AUTO_MEM char *wa = path_join(f->dir, "wa"), *wb = path_join(f->dir, "wb"), *config = path_join(f->from, "adapter_config.json");
    struct err e = { 0 };

    if (oci_adapter_image(f->from, "phi-3-mini-128k-instruct", wa, &a, &e))
        fail_msg("%s", e.text);
    const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
    assert_int_equal(utimensat(AT_FDCWD, config, old, 0), 0);       /* times and modes are no part of it */
    assert_int_equal(chmod(config, 0777), 0);
    assert_int_equal(oci_adapter_image(f->from, "phi-3-mini-128k-instruct", wb, &b, &e), ERR_OK);
    assert_string_equal(a.digest, b.digest);
    assert_non_null(strstr(buf_cstr(&a.manifest), "\"sh.kaito.model.name\":\"phi-3-mini-128k-instruct\""));
    write_text(f->from, "adapter_config.json", STR("{\"r\":17}"));
    assert_int_equal(oci_adapter_image(f->from, "phi-3-mini-128k-instruct", wb, &c, &e), ERR_OK);
    assert_string_not_equal(a.layer_digest, c.layer_digest);
}

static void the_layer_holds_both_files_below_data(void **state)
{
    struct fixture *f = *state;
    AUTO_OCI_IMAGE image = { 0 };
    AUTO_MEM char *work = path_join(f->dir, "w");

    assert_int_equal(oci_adapter_image(f->from, NULL, work, &image, NULL), ERR_OK);
    assert_null(strstr(buf_cstr(&image.manifest), "annotations"));
    assert_int_equal(oci_layer_unpack(image.layer_path, f->out, NULL), ERR_OK);
    assert_text(f->out, "data/adapter_config.json", "{\"r\":16}");
    assert_text(f->out, "data/adapter_model.safetensors", "tensors");
    assert_absent(f->out, "data/README.md");
}

static void a_missing_adapter_is_named(void **state)
{
    struct fixture *f = *state;
    AUTO_OCI_IMAGE image = { 0 };
    struct err e = { 0 };
    AUTO_MEM char *model = path_join(f->from, "adapter_model.safetensors"), *work = path_join(f->dir, "w");

    assert_int_equal(unlink(model), 0);
    assert_int_equal(oci_adapter_image(f->from, NULL, work, &image, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "adapter_model.safetensors"));
}

/* One hostile or harmless entry. */
struct row { const char *name; int type; const char *text_or_target; };

static void make_tar(const char *path, const struct row *rows, size_t n)
{
    struct archive *a = archive_write_new();

    assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, rows[i].name);
        archive_entry_set_perm(entry, 0755);
        archive_entry_set_filetype(entry, rows[i].type ? (unsigned)rows[i].type : AE_IFREG);
        if (rows[i].type == AE_IFLNK)
            archive_entry_set_symlink(entry, rows[i].text_or_target);
        else if (!rows[i].type)
            archive_entry_set_size(entry, (la_int64_t)strlen(rows[i].text_or_target));
        assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
        if (!rows[i].type)
            assert_true(archive_write_data(a, rows[i].text_or_target, strlen(rows[i].text_or_target)) >= 0);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

static void paths_that_leave_the_folder_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = { "../evil", "data/../../evil", "a/./../../evil", ".." };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        make_tar(f->layer, (struct row[]){ { names[i], 0, "evil" } }, 1);
        assert_int_equal(oci_layer_unpack(f->layer, f->out, NULL), ERR_CORRUPT);
        assert_absent(f->dir, "evil");
    }
    make_tar(f->layer, (struct row[]){ { "/abs", 0, "inside" }, { "./dot", 0, "inside" } }, 2);
    assert_int_equal(oci_layer_unpack(f->layer, f->out, NULL), ERR_OK);
    assert_text(f->out, "abs", "inside");
    assert_text(f->out, "dot", "inside");
}

static void links_are_neither_made_nor_followed(void **state)
{
    struct fixture *f = *state;
    AUTO_MEM char *planted = path_join(f->out, "planted");

    make_tar(f->layer, (struct row[]){ { "link", AE_IFLNK, ".." }, { "link/evil", 0, "evil" }, { "pipe", AE_IFIFO, NULL } }, 3);
    assert_int_equal(oci_layer_unpack(f->layer, f->out, NULL), ERR_OK);
    assert_absent(f->dir, "evil");
    assert_text(f->out, "link/evil", "evil");               /* a folder of ours: the link was left out */
    assert_absent(f->out, "pipe");
    assert_int_equal(symlink(f->dir, planted), 0);          /* one that lies there already */
    make_tar(f->layer, (struct row[]){ { "planted/evil", 0, "evil" } }, 1);
    assert_true(oci_layer_unpack(f->layer, f->out, NULL) != ERR_OK);
    assert_absent(f->dir, "evil");
    make_tar(f->layer, (struct row[]){ { "planted", 0, "file" } }, 1);
    assert_int_equal(oci_layer_unpack(f->layer, f->out, NULL), ERR_OK);
    assert_text(f->out, "planted", "file");                 /* replaced, not written through */
}

static void whiteouts_delete_what_lower_layers_left(void **state)
{
    struct fixture *f = *state;

    make_tar(f->layer, (struct row[]){ { "data", AE_IFDIR, NULL }, { "data/a", 0, "1" }, { "data/b", 0, "2" }, { "d/x/y", 0, "3" } }, 4);
    assert_int_equal(oci_layer_unpack(f->layer, f->out, NULL), ERR_OK);
    make_tar(f->layer, (struct row[]){ { "data/.wh.a", 0, "" }, { "d/.wh..wh..opq", 0, "" }, { "d/z", 0, "4" } }, 3);
    assert_int_equal(oci_layer_unpack(f->layer, f->out, NULL), ERR_OK);
    assert_absent(f->out, "data/a");
    assert_text(f->out, "data/b", "2");
    assert_absent(f->out, "d/x/y");
    assert_text(f->out, "d/z", "4");
    make_tar(f->layer, (struct row[]){ { "data/.wh...", 0, "" } }, 1);
    assert_true(oci_layer_unpack(f->layer, f->out, NULL) != ERR_OK);
    assert_text(f->out, "data/b", "2");
}

static void a_cut_layer_is_an_error(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF b = { 0 };

    make_tar(f->layer, (struct row[]){ { "data/a", 0, "0123456789" } }, 1);
    assert_int_equal(file_read(f->layer, 1 << 20, &b, NULL), ERR_OK);
    b.n = 515;
    assert_int_equal(file_write_atomic(f->layer, buf_str(&b), 0600, NULL), ERR_OK);
    assert_int_equal(oci_layer_unpack(f->layer, f->out, NULL), ERR_CORRUPT);
}

int main(void)
{
#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(the_same_adapter_gives_the_same_image), WITH_FOLDER(the_layer_holds_both_files_below_data), WITH_FOLDER(a_missing_adapter_is_named),
        WITH_FOLDER(paths_that_leave_the_folder_are_refused), WITH_FOLDER(links_are_neither_made_nor_followed),
        WITH_FOLDER(whiteouts_delete_what_lower_layers_left), WITH_FOLDER(a_cut_layer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
