#include "base/log.h"

#include <gtest/gtest.h>

#include <thread>

namespace edgeclip {
namespace {

TEST(WarningSink, TakesTheWarningsOfItsThread) {
  std::vector<std::string> outer, inner;
  const auto into = [](std::vector<std::string>& list) {
    return [&list](const std::string& message) { list.push_back(message); };
  };
  {
    const WarningSink first(into(outer));
    warn("a {} that is no format");
    {
      const WarningSink second(into(inner));
      warn("b");
      const WarningSink nobody(nullptr);
      warn("is not told");
    }
    warn("c");
    std::thread([] {
      const WarningSink nobody(nullptr);
      warn("of another thread");
    }).join();
  }
  EXPECT_EQ(outer, (std::vector<std::string>{"a {} that is no format", "c"}));
  EXPECT_EQ(inner, std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace edgeclip
