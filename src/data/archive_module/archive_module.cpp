#include <archive.h>
#include <archive_entry.h>

#include <cstdio>

#include "data/archive_module/archive_api.h"

namespace {

archive* of(void* handle) { return static_cast<archive*>(handle); }

void set_error(EdgeclipArchiveError* error, archive* from) {
  const char* text = archive_error_string(from);
  std::snprintf(error->text, sizeof error->text, "%s", text != nullptr && *text ? text : "is damaged");
  for (char* c = error->text; *c; ++c)
    if (*c == '\n') *c = ' ';
}

void close(void* handle) { archive_read_free(of(handle)); }

void* open(const char* path, EdgeclipArchiveError* error) {
  archive* a = archive_read_new();
  if (a == nullptr) {
    std::snprintf(error->text, sizeof error->text, "there is no memory");
    return nullptr;
  }
  // What photographs are handed on in: nothing that runs a program, and no format that takes any file for an archive.
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_bzip2(a);
  archive_read_support_filter_xz(a);
  archive_read_support_filter_zstd(a);
  archive_read_support_format_tar(a);
  archive_read_support_format_zip(a);
  constexpr std::size_t kBlock = std::size_t{1} << 18;
  if (archive_read_open_filename(a, path, kBlock) == ARCHIVE_OK) return a;
  set_error(error, a);
  close(a);
  return nullptr;
}

int next(void* handle, EdgeclipArchiveMember* member, EdgeclipArchiveError* error) {
  archive_entry* entry = nullptr;
  for (;;) {
    const int status = archive_read_next_header(of(handle), &entry);
    if (status == ARCHIVE_EOF) return 0;
    if (status < ARCHIVE_WARN) {
      set_error(error, of(handle));
      return 0;
    }
    const char* name = archive_entry_pathname_utf8(entry);
    if (name == nullptr) name = archive_entry_pathname(entry);
    if (archive_entry_filetype(entry) != AE_IFREG || name == nullptr) continue;
    *member = {name, archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1,
               archive_entry_mtime_is_set(entry) ? archive_entry_mtime(entry) * 1000000000 + archive_entry_mtime_nsec(entry) : -1};
    return 1;
  }
}

int64_t read(void* handle, uint8_t* to, int64_t most, EdgeclipArchiveError* error) {
  const la_ssize_t got = archive_read_data(of(handle), to, static_cast<size_t>(most));
  if (got < 0) set_error(error, of(handle));
  return got < 0 ? -1 : static_cast<int64_t>(got);
}

constexpr EdgeclipArchiveApi kApi = {open, next, read, close};

}  // namespace

extern "C" const EdgeclipArchiveApi* edgeclip_archive_v1() { return &kApi; }
