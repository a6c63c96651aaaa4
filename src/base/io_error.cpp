#include "base/io_error.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

namespace edgeclip {

namespace fs = std::filesystem;

bool is_machine_error(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EIO:
    case ESTALE:
    case ENOSPC:
    case EDQUOT:
    case EAGAIN:  // of fork and threads
    case ENOLCK:
    case EREMOTEIO:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

namespace {

const char* machine_remedy(int error) {
  switch (error) {
    case EMFILE:
      return "raise the limit of open files (ulimit -n) or use fewer threads";
    case ENFILE:
      return "the system has too many open files; close other programs";
    case ENOSPC:
    case EDQUOT:
      return "free space or choose another output path";
    case ENOMEM:
    case ENOBUFS:
    case EAGAIN:
      return "use a smaller batch or fewer threads, or a machine with more memory";
    default:
      return "check the disk or the connection to it, and try again";
  }
}

}  // namespace

void throw_io_error(const fs::path& path, const char* what, int error, const char* remedy) {
  const std::string message = fmt::format("{}: {}: {}", path.string(), what, std::strerror(error));
  if (is_machine_error(error)) throw MachineFault(message + "; " + machine_remedy(error));
  throw InvalidInput(*remedy ? message + "; " + remedy : message);
}

void throw_output_error(const fs::path& path, int error) {
  throw_io_error(path, "cannot be written", error, "choose another output path");
}

bool says_out_of_memory(const char* what) {
  for (const char* text :
       {"can't allocate memory", "not enough memory", "out of memory", "out_of_memory", "Insufficient memory",
        "Failed to allocate", "could not allocate", "std::bad_alloc"})
    if (std::strstr(what, text) != nullptr) return true;
  return false;
}

bool is_machine_fault(const std::exception_ptr& error) {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const MachineFault&) {
    return true;
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const InvalidInput&) {
    return false;
  } catch (const std::system_error& e) {
    return is_machine_error(e.code().value());
  } catch (const std::exception& e) {
    return says_out_of_memory(e.what());
  } catch (...) {
    return false;
  }
}

fs::file_type file_type_at(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (is_machine_error(errno)) throw_io_error(path, "cannot be looked at", errno);
    return fs::file_type::not_found;
  }
  switch (info.st_mode & S_IFMT) {
    case S_IFREG:
      return fs::file_type::regular;
    case S_IFDIR:
      return fs::file_type::directory;
    case S_IFIFO:
      return fs::file_type::fifo;
    case S_IFCHR:
      return fs::file_type::character;
    case S_IFBLK:
      return fs::file_type::block;
    case S_IFSOCK:
      return fs::file_type::socket;
    default:
      return fs::file_type::unknown;
  }
}

}  // namespace edgeclip
