#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/artifact.h"
#include "base/atomic_output.h"
#include "base/file.h"
#include "base/signals.h"
#include "cli/runtime/options_command.h"

/// A program whose every system call between two marks belongs to the replacing of one output: what the fault
/// tests of tests/system kill and let fail, call by call.  Exit codes and messages are those of every
/// program.
namespace edgeclip {

namespace {

namespace fs = std::filesystem;

constexpr const char* kHead = "probe.json";

/// Seen in a trace, without effect.
void mark(const char* name) { (void)::access(name, F_OK); }

struct Options {
  std::string out, kind = "file", text = "new";
  double hold_s = 0;
  bool overwrite = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("out", out, "file or folder that is replaced");
    v("kind", kind, "a file, a folder whose files are flushed one by one, or one that is flushed at the end",
      {"file", "folder", "folder-at-once"});
    v("text", text, "what is written, many times over");
    v("hold_s", hold_s, "seconds between the beginning and the commit");
    v("overwrite", overwrite, "a folder that is there is replaced");
  }
};

/// More than one buffer of anything in between.
std::string body(const std::string& text) {
  std::string all;
  while (all.size() < 20000) all += text + "\n";
  return all;
}

void hold(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    throw_if_interrupted();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void replace_file(const Options& options) {
  AtomicFile file(options.out);
  const std::string all = body(options.text);
  file.write(all.substr(0, all.size() / 2));
  hold(options.hold_s);
  file.write(all.substr(all.size() / 2));
  file.commit();
}

void replace_folder(const Options& options) {
  const Flush flush = options.kind == "folder" ? Flush::kWithFile : Flush::kWithFolder;
  AtomicDirectory folder(options.out, kHead, FolderRules{options.overwrite});
  const auto write = [&](const fs::path& path, const std::string& text) {
    AtomicFile file(path, flush);
    file.write(text);
    file.commit();
  };
  write(folder.work() / "a.txt", body(options.text));
  hold(options.hold_s);
  fs::create_directory(folder.work() / "tokenizer");
  write(folder.work() / "tokenizer/b.txt", body(options.text + options.text));
  const Json files = {{"a.txt", Json::object()}, {"tokenizer/b.txt", Json::object()}};
  write(folder.work() / kHead,
        Json({{"format", 1}, {"edgeclip", "probe"}, {"text", options.text}, {"files", files}}).dump());
  folder.commit(flush);
}

class WriteCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "write"; }
  const char* summary() const override { return "Replaces a file or a folder"; }
  const char* example() const override { return "write --kind folder --out /tmp/folder --text new"; }

 protected:
  Json execute(const Options& options) override {
    require(options.out, "--out");
    mark("/edgeclip-replace-begins");
    if (options.kind == "file")
      replace_file(options);
    else
      replace_folder(options);
    mark("/edgeclip-replace-ends");
    return {{"out", options.out}};
  }
};

struct OpenOptions {
  std::string folder;

  template <class Visitor>
  void fields(Visitor& v) {
    v("folder", folder, "what write left");
  }
};

class OpenCommand : public OptionsCommand<OpenOptions> {
 public:
  const char* name() const override { return "open"; }
  const char* summary() const override { return "Opens a folder as the commands open an artifact"; }
  const char* example() const override { return "open --folder /tmp/folder"; }

 protected:
  Json execute(const OpenOptions& options) override {
    require(options.folder, "--folder");
    require_directory(options.folder, "probe folder");
    const Json head = read_artifact_head(fs::path(options.folder) / kHead, 1, "write it again");
    print(head.at("text").get<std::string>() + "\n");
    return head;
  }
};

}  // namespace

}  // namespace edgeclip

int main(int argc, char** argv) {
  edgeclip::CommandList commands;
  commands.push_back(std::make_unique<edgeclip::WriteCommand>());
  commands.push_back(std::make_unique<edgeclip::OpenCommand>());
  return edgeclip::run_program(argc, argv, "replace_probe", std::move(commands));
}
