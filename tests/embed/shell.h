#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace edgeclip::test {

struct ShellResult {
  int code = -1;     ///< exit code; -1 if it ended otherwise
  std::string text;  ///< stdout and stderr
};

inline ShellResult shell(const std::string& command) {
  ShellResult result;
  FILE* const pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) result.text += buffer;
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
  return result;
}

}  // namespace edgeclip::test
