#include "model/torch_file/zip_archive.h"

#include <zip.h>

#include "base/error.h"

namespace edgeclip {

namespace {

zip_t* handle(void* zip) { return static_cast<zip_t*>(zip); }

}  // namespace

ZipArchive::ZipArchive(const MappedFile& mapped, const std::string& file) : mapped_(mapped), file_(file) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(mapped.data(), mapped.size(), 0, &error);
  zip_ = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
  if (zip_ == nullptr) {
    const std::string reason = zip_error_strerror(&error);
    if (source != nullptr) zip_source_free(source);
    zip_error_fini(&error);
    invalid_input("{}: is cut off or no sound zip ({}); copy it again", file, reason);
  }
  zip_error_fini(&error);
  const zip_int64_t count = zip_get_num_entries(handle(zip_), 0);
  for (zip_int64_t i = 0; i < count; ++i)
    if (const char* name = zip_get_name(handle(zip_), static_cast<zip_uint64_t>(i), 0))
      names_.emplace_back(name);
}

ZipArchive::~ZipArchive() { zip_discard(handle(zip_)); }

bool ZipArchive::contains(const std::string& name) const {
  return zip_name_locate(handle(zip_), name.c_str(), 0) >= 0;
}

ZipArchive::Record ZipArchive::read(const std::string& name) const {
  zip_stat_t stat;
  if (zip_stat(handle(zip_), name.c_str(), 0, &stat) != 0 || (stat.valid & ZIP_STAT_SIZE) == 0)
    invalid_input("{}: its record {} is missing; copy it again", file_, name);
  // Weights do not shrink to a hundredth: such a record is made to fill the memory.
  if (stat.size / 100 > mapped_.size())
    invalid_input("{}: its record {} claims {} bytes; copy it again", file_, name, stat.size);
  zip_file_t* const record = zip_fopen(handle(zip_), name.c_str(), 0);
  if (record == nullptr) invalid_input("{}: its record {} cannot be read; copy it again", file_, name);
  auto bytes = std::make_shared<std::vector<std::byte>>(stat.size);
  const zip_int64_t read = zip_fread(record, bytes->data(), stat.size);
  // The checksum is compared at the end of the record.
  std::byte rest;
  const bool sound = read == static_cast<zip_int64_t>(stat.size) && zip_fread(record, &rest, 1) == 0;
  const bool closed = zip_fclose(record) == 0;
  if (!sound || !closed) invalid_input("{}: its record {} is damaged; copy it again", file_, name);
  return {std::shared_ptr<const std::byte>(bytes, bytes->data()), bytes->data(), bytes->size()};
}

}  // namespace edgeclip
