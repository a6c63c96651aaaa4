#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/threads.h"
#include "support/support.h"
#include "train/tiny_dataset.h"

namespace edgeclip::test {

/// A folder with the tiny dataset, "data", in which the suite's runs lie beside each other.
class TinyTraining : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // So small a model gains nothing from threads, which wait for each other on a busy machine.
    set_thread_count(1);
    folder_ = new TempDir;
    write_tiny_dataset(*folder_ / "data");
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static std::filesystem::path at(const std::string& name) { return *folder_ / name; }
  static TrainPaths paths(const std::string& out, const std::string& init = "", bool resume = false) {
    return {at("data").string(), at(out).string(), init.empty() ? "" : at(init).string(), resume};
  }

 private:
  inline static TempDir* folder_ = nullptr;
};

}  // namespace edgeclip::test
