/* The shell scripts of init containers and sidecars in upstream's images (dossier 6.10). */
#include "workspace/render.h"

/* Text in single quotes, so that a shell takes it as one word. */
static void quote_add(struct buf *out, struct str s)
{
    buf_addc(out, '\'');
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'')
            buf_adds(out, "'\\''");
        else
            buf_addc(out, s.p[i]);
    buf_addc(out, '\'');
}

/* Unpacks the layers of an image and moves its /data to the target; without credentials first, then with each that is mounted. */
char *script_pull_image(struct str image, const char *target)
{
    AUTO_BUF out = { 0 }, reference = { 0 };

    image_normalized(image, &reference);
    buf_adds(&out, "set -eu\nimage=");
    quote_add(&out, buf_str(&reference));
    buf_adds(&out, "\ntarget=");
    quote_add(&out, str_of(target));
    buf_adds(&out, "\n"
             "work=$(mktemp -d)\n"
             "copy() { rm -rf \"$work/image\"; skopeo copy --dest-decompress \"$@\" \"docker://$image\" \"dir:$work/image\"; }\n"
             "pull() {\n"
             "  copy --src-no-creds && return\n"
             "  for file in \"$HOME\"/.docker/config.d/*/*.json; do\n"
             "    [ -e \"$file\" ] && copy --authfile \"$file\" && return\n"
             "  done\n"
             "  echo \"cannot pull $image, neither without credentials nor with those mounted in $HOME/.docker/config.d\" >&2\n"
             "  return 1\n"
             "}\n"
             "pull\n"
             "mkdir -p \"$work/root\" \"$(dirname \"$target\")\"\n"
             "layers=$(tr ',' '\\n' < \"$work/image/manifest.json\" | sed -n 's/.*\"digest\": *\"sha256:\\([0-9a-f]*\\)\".*/\\1/p' | tail -n +2)\n"
             "for layer in $layers; do\n"
             "  tar -xf \"$work/image/$layer\" -C \"$work/root\"\n"
             "done\n"
             "[ -d \"$work/root/data\" ] || { echo \"$image holds no folder /data\" >&2; exit 1; }\n"
             "mv \"$work/root/data\" \"$target\"\n"
             "rm -rf \"$work\"\n");
    return buf_take(&out);
}

/* DATA_URLS, joined by spaces, into DATA_VOLUME_PATH: three tries each. */
char *script_download_urls(void)
{
    AUTO_BUF out = { 0 };

    buf_adds(&out,
             "set -u\n"
             "fetch() {\n"
             "  status=$(curl -sSL -o \"$2\" -w '%{http_code}' \"$1\") || return 1\n"
             "  [ \"$status\" = 200 ] && [ -s \"$2\" ]\n"
             "}\n"
             "for url in $DATA_URLS; do\n"
             "  name=${url%%[?#]*}\n"
             "  file=$DATA_VOLUME_PATH/${name##*/}\n"
             "  tries=0\n"
             "  until fetch \"$url\" \"$file\"; do\n"
             "    tries=$((tries + 1))\n"
             "    echo \"$url: try $tries failed, status ${status:-none}\" >&2\n"
             "    [ $tries -lt 3 ] || exit 1\n"
             "    sleep 2\n"
             "  done\n"
             "  echo \"$url: $(wc -c < \"$file\") bytes\"\n"
             "done\n");
    return buf_take(&out);
}

/*
 * Waits for the end of tuning, packs the adapter as an image with one layer and pushes it. Then the pause container, which keeps the
 * network of the pod, is told to end: it does so on SIGTERM only.
 */
char *script_push_adapter(const char *results, struct str image, struct str preset)
{
    AUTO_BUF out = { 0 }, reference = { 0 };

    image_normalized(image, &reference);
    buf_adds(&out, "set -eu\nimage=");
    quote_add(&out, buf_str(&reference));
    buf_adds(&out, "\nresults=");
    quote_add(&out, str_of(results));
    buf_addf(&out, "\n"
             "until [ -e '%s/fine_tuning_completed.txt' ]; do sleep 1; done\n"
             "work=$(mktemp -d)\n"
             "mkdir \"$work/data\"\n"
             "cp \"$results/adapter_config.json\" \"$results/adapter_model.safetensors\" \"$work/data/\"\n"
             "cd \"$work\"\n"
             "tar -cf layer.tar data\n"
             "diff_id=$(sha256sum layer.tar | cut -d ' ' -f 1)\n"
             "gzip layer.tar\n"
             "printf '{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%%s\"]}}' \"$diff_id\" > config.json\n"
             "printf '{\"$manifest\":{\"sh.kaito.model.name\":\"%%s\"}}' '%.*s' > annotations.json\n"
             "oras push --config config.json:application/vnd.oci.image.config.v1+json --annotation-file annotations.json \"$image\" "
             "layer.tar.gz:application/vnd.oci.image.layer.v1.tar+gzip\n"
             "for process in /proc/[0-9]*; do\n"
             "  [ \"$(cat \"$process/comm\" 2>/dev/null)\" = pause ] && kill -TERM \"${process#/proc/}\"\n"
             "done\n"
             "exit 0\n", results, STR_ARG(preset));
    return buf_take(&out);
}
