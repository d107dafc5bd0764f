/* Runs a fuzz target over every file below the directories given: the corpus as a plain test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An exact copy on the heap: a byte read too far is seen by ASan. */
static int run_file(const char *path)
{
    struct stat st;
    uint8_t *copy = NULL;
    size_t size = 0;
    FILE *in = fopen(path, "rb");

    if (!in || fstat(fileno(in), &st) < 0 || st.st_size > 64 << 20) {
        fprintf(stderr, "cannot read %s\n", path);
        if (in)
            fclose(in);
        return 1;
    }
    copy = malloc((size_t)st.st_size ? (size_t)st.st_size : 1);
    if (copy)
        size = fread(copy, 1, (size_t)st.st_size, in);
    fclose(in);
    if (!copy || size != (size_t)st.st_size) {
        free(copy);
        return 1;
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

int main(int argc, char **argv)
{
    int count = 0;

    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        struct dirent *entry;

        if (!dir) {
            fprintf(stderr, "no corpus at %s\n", argv[i]);
            return 1;
        }
        while ((entry = readdir(dir))) {
            char path[4096];

            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            if (run_file(path))
                return 1;
            count++;
        }
        closedir(dir);
    }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    printf("%d inputs\n", count + 1);
    return count ? 0 : 1;
}
