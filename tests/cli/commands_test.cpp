#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <set>
#include <sstream>

#include "cli/runtime/command.h"
#include "retrieval/encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(RuntimeCommands, EachIsDocumented) {
  std::set<std::string> names;
  for (const auto& command : runtime_commands()) {
    EXPECT_TRUE(names.insert(command->name()).second) << command->name();
    EXPECT_EQ(std::string(command->example()).rfind(std::string(command->name()) + " ", 0), 0u)
        << command->example();
    EXPECT_NE(std::string(command->summary()), "");
    EXPECT_NE(command->options_help(), "") << command->name();
  }
  EXPECT_EQ(names,
            (std::set<std::string>{"verify", "quantize", "run", "conform", "build", "index", "gallery", "search",
                                   "evaluate", "bench", "encode", "tokenize", "preprocess", "inspect"}));
}

/// Every option in an example is one that the command declares.
TEST(RuntimeCommands, ExamplesUseDeclaredOptions) {
  for (const auto& command : runtime_commands()) {
    CLI::App app;
    command->declare(app);
    std::string examples = command->example();
    for (const std::string& example : command->more_examples()) {
      EXPECT_EQ(example.rfind(std::string(command->name()) + " ", 0), 0u) << example;
      examples += " " + example;
    }
    std::istringstream words(examples);
    for (std::string word; words >> word;) {
      if (word.rfind("--", 0) != 0 || word == "--json" || word == "--set" || word == "--config") continue;
      EXPECT_NE(app.get_option_no_throw(word), nullptr) << command->name() << ": " << word;
    }
  }
}

TEST(RuntimeCommands, CheckpointIsAnOptionOnlyWhereOneCanBeOpened) {
  const auto has_checkpoint = [](const CommandList& commands, const std::string& name) {
    for (const auto& command : commands)
      if (command->name() == name) {
        CLI::App app;
        command->declare(app);
        return app.get_option_no_throw("--checkpoint") != nullptr;
      }
    ADD_FAILURE() << "no command " << name;
    return false;
  };
  const OpenCheckpoint open = [](const std::string&, const std::string&) { return std::unique_ptr<Encoder>(); };
  for (const char* name : {"evaluate", "encode"}) {
    EXPECT_FALSE(has_checkpoint(runtime_commands(), name));
    EXPECT_TRUE(has_checkpoint(runtime_commands({open, {}}), name));
  }
}

TEST(RuntimeCommands, APictureOfResultsIsNamedAsWhatItIs) {
  const auto resolve = [](const std::string& grid) {
    for (const auto& command : runtime_commands())
      if (command->name() == std::string("search")) {
        CLI::App app;
        command->declare(app);
        app.parse("--grid " + grid);
        return command->resolved({}).at("grid").get<std::string>();
      }
    return std::string();
  };
  for (const char* good : {"hits.png", "hits.PNG", "/dev/stdout"}) EXPECT_EQ(resolve(good), good);
  EXPECT_EQ(test::invalid_input_of([&] { resolve("out/hits.jpg"); }),
            "command line: grid: out/hits.jpg is written as PNG; name it out/hits.png");
  test::invalid_input_of([&] { resolve("a.tar.gz"); });
}

}  // namespace
}  // namespace edgeclip
