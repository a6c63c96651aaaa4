#include "base/append_log.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/hash.h"
#include "base/io_error.h"
#include "base/mapped_file.h"

namespace edgeclip {

namespace {

constexpr std::size_t kHashDigits = 32;
constexpr std::size_t kHead = sizeof(std::uint64_t) + kHashDigits;

}  // namespace

std::size_t AppendLog::each(std::string_view bytes, const std::function<void(std::string_view)>& given) {
  std::size_t at = 0;
  while (bytes.size() - at >= kHead) {
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, sizeof length);
    if (length > bytes.size() - at - kHead) break;
    const std::string_view hash = bytes.substr(at + sizeof length, kHashDigits), record = bytes.substr(at + kHead, length);
    if (hash_text(record) != hash) break;
    given(record);
    at += kHead + length;
  }
  return at;
}

AppendLog::AppendLog(const std::filesystem::path& path, const std::function<void(std::string_view)>& given) : path_(path) {
  fd_ = OwnedFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (fd_.get() < 0) throw_output_error(path, errno);
  const MappedFile file(path);
  cut(static_cast<std::int64_t>(each({reinterpret_cast<const char*>(file.data()), file.size()}, given)));
}

void AppendLog::cut(std::int64_t length) {
  int failed;
  do failed = ::ftruncate(fd_.get(), length);
  while (failed != 0 && errno == EINTR);
  if (failed != 0) throw_output_error(path_, errno);
  bytes_ = length;
  if (::lseek(fd_.get(), length, SEEK_SET) < 0) throw_output_error(path_, errno);
}

void AppendLog::append(std::string_view record) {
  const std::uint64_t length = record.size();
  std::string head(sizeof length, '\0');
  std::memcpy(head.data(), &length, sizeof length);
  head += hash_text(record);
  std::size_t done = 0;
  const std::size_t all = head.size() + record.size();
  while (done < all) {
    const std::size_t of_head = std::min(done, head.size()), of_record = done - of_head;
    iovec parts[2] = {{head.data() + of_head, head.size() - of_head},
                      {const_cast<char*>(record.data()) + of_record, record.size() - of_record}};
    const ssize_t written = ::writev(fd_.get(), parts, 2);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      cut(bytes_);
      throw_output_error(path_, error);
    }
    done += static_cast<std::size_t>(written);
  }
  bytes_ += static_cast<std::int64_t>(all);
}

void AppendLog::sync() {
  if (::fdatasync(fd_.get()) != 0) throw_output_error(path_, errno);
}

}  // namespace edgeclip
