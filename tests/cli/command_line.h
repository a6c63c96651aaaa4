#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/runtime/command.h"

namespace edgeclip::test {

struct Outcome {
  int code;
  std::string out, err;
};

/// edgeclip-edge with these arguments, in this process.
inline Outcome run_edge(std::vector<std::string> args) {
  args.insert(args.begin(), "edgeclip-edge");
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = run_program(static_cast<int>(args.size()), argv.data(), "edgeclip-edge", runtime_commands());
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

/// One line on stderr that holds all parts, and exit code 2.
inline void expect_refused(std::vector<std::string> args, const std::vector<std::string>& parts) {
  args.push_back("--quiet");
  const Outcome outcome = run_edge(args);
  EXPECT_EQ(outcome.code, kInvalidInput) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  for (const std::string& part : parts)
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part << "\n" << outcome.err;
}

}  // namespace edgeclip::test
