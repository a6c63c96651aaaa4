// Random changes of real models' bytes: whatever they make of a file, it is run or refused in one line.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "engine/graph/shape_inference.h"
#include "engine/runtime/session.h"
#include "support/support.h"

#if defined(__SANITIZE_ADDRESS__)
#define EDGECLIP_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EDGECLIP_ADDRESS_SANITIZER
#endif
#endif

namespace edgeclip::builder {

using namespace engine;

namespace {

namespace fs = std::filesystem;

#ifdef EDGECLIP_ADDRESS_SANITIZER
constexpr int kUsualMutations = 1;  // a sanitizer takes several times as long
#else
constexpr int kUsualMutations = 6;
#endif

/// For each graph; $EDGECLIP_MUTATIONS asks for more (scripts/test.sh --system: 100).
int mutations_per_graph() {
  const char* const asked = std::getenv("EDGECLIP_MUTATIONS");
  return asked ? std::max(1, std::atoi(asked)) : kUsualMutations;
}

std::size_t below(Rng& rng, std::size_t n) {
  return static_cast<std::size_t>(rng.below(static_cast<std::int64_t>(n)));
}

/// Mostly where names and numbers are: bytes of weights change results and nothing else.
std::size_t place_in(const std::string& bytes, Rng& rng) {
  std::size_t at = 0;
  for (int tries = 0; tries < 6; ++tries) {
    at = below(rng, bytes.size());
    const std::size_t begin = at < 16 ? 0 : at - 16, end = std::min(bytes.size(), at + 16);
    const auto text = std::count_if(bytes.data() + begin, bytes.data() + end,
                                    [](char c) { return c == '_' || c == '/' || (c >= 'a' && c <= 'z'); });
    if (text > 10) break;
  }
  return at;
}

std::string mutated(std::string bytes, Rng& rng) {
  for (std::size_t changes = rng.chance(0.6) ? 1 : 3; changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = place_in(bytes, rng), length = std::min(below(rng, 12) + 1, bytes.size() - at);
    // Mostly what keeps the length: most other changes end in protobuf's own parser.
    switch (below(rng, 12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(rng, 8)));
        break;
      case 4:
      case 5:
        bytes[at] = static_cast<char>(below(rng, 256));
        break;
      case 6:
      case 7:
        bytes[at] = "\x00\x01\x7f\x80\xff"[below(rng, 5)];
        break;
      case 8:
        bytes.erase(at, length);
        break;
      case 9:
        bytes.insert(below(rng, bytes.size()), bytes.substr(at, length));
        break;
      case 10:  // a number of 64 bits, as protobuf writes it
        bytes.replace(at, std::min<std::size_t>(10, bytes.size() - at), std::string(9, '\xff') + "\x01");
        break;
      default:
        if (below(rng, 4) == 0)
          bytes.resize(at);
        else
          std::swap(bytes[at], bytes[below(rng, bytes.size())]);
    }
  }
  return bytes;
}

/// How the process ends.
enum Outcome { kRun = 0, kMistake = 1, kManyLines = 3, kNoMemory = 4, kRefused = 5, kTooLong = 6 };

/// Loads, optimizes, prepares (which sees constants before any rule has looked at shapes), infers shapes, and
/// runs on zeros what takes little memory.
Outcome use(const fs::path& file) {
  Graph graph = import_onnx(file);
  optimize(graph);
  graph.check();
  std::vector<Tensor> inputs;
  std::vector<Shape> shapes;
  std::uint64_t elements = 0;
  for (const ValueId id : graph.inputs) {
    shapes.push_back(graph.value(id).shape.value_or(Shape{}));
    for (auto& d : shapes.back()) d = d < 0 ? 3 : d;
  }
  for (std::size_t i = 0; i < shapes.size(); ++i)
    if (!checked_num_elements(shapes[i], &elements) || elements > (std::uint64_t{1} << 22)) return kTooLong;
  SessionOptions options;
  options.memory_pool_mb = 64;
  options.threads = 1;
  const Session session(std::move(graph), options);
  Context context(session);
  context.layers(shapes);  // refuses what does not fit into the pool
  // From here on it may take as long as the model's numbers say.
  ::signal(SIGALRM, [](int) { ::_exit(kTooLong); });
  ::alarm(2);
  std::vector<TensorView> views;
  for (std::size_t i = 0; i < shapes.size(); ++i)
    inputs.emplace_back(session.graph().value(session.graph().inputs[i]).dtype, shapes[i]);
  for (const Tensor& input : inputs) views.push_back(input.view());
  context.run(views);
  return kRun;
}

/// In a process of its own, so that what goes wrong is one line of the report: 40 seconds, 4 GiB.
[[noreturn]] void use_and_exit(const fs::path& file) {
  ::alarm(40);
#ifndef EDGECLIP_ADDRESS_SANITIZER
  const struct rlimit most { std::uint64_t{4} << 30, std::uint64_t{4} << 30 };
  ::setrlimit(RLIMIT_DATA, &most);
#endif
  const struct rlimit no_core { 0, 0 };
  ::setrlimit(RLIMIT_CORE, &no_core);
  Outcome outcome = kMistake;
  try {
    outcome = use(file);
  } catch (const InvalidInput& error) {
    const std::string message = error.what();
    outcome = message.empty() || message.find('\n') != std::string::npos ? kManyLines : kRefused;
  } catch (const std::bad_alloc&) {
    outcome = kNoMemory;
  } catch (const std::exception& error) {
    ::dprintf(STDERR_FILENO, "%s\n", error.what());
  }
  ::_exit(outcome);
}

struct Counts {
  int run = 0, refused = 0, too_long = 0;
};

/// "" or what is wrong with the way the process ended.
std::string fault_of(const fs::path& file, Counts* counts) {
  const pid_t child = ::fork();
  if (child == 0) use_and_exit(file);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return "no process";
  if (WIFSIGNALED(status))
    return WTERMSIG(status) == SIGALRM ? "more than 40 s" : fmt::format("signal {}", WTERMSIG(status));
  switch (WEXITSTATUS(status)) {
    case kRun:
      ++counts->run;
      return "";
    case kRefused:
      ++counts->refused;
      return "";
    case kTooLong:
      ++counts->too_long;
      return "";
    case kManyLines:
      return "a message that is not one line";
    case kNoMemory:
      return "out of memory";
    default:
      return fmt::format("exit {}: a mistake of ours", WEXITSTATUS(status));
  }
}

TEST(MutationsGolden, ChangedModelsAreRunOrRefused) {
  EDGECLIP_REQUIRE_PARITY(first, "onnx/graphs");
  const test::TempDir dir;
  int graphs = 0;
  Counts counts;
  for (const char* folder : {"onnx/graphs", "zoo/graphs", "anomaly/graphs"}) {
    std::vector<fs::path> models;
    EDGECLIP_REQUIRE_PARITY(all, folder);
    for (const auto& entry : fs::directory_iterator(all))
      if (fs::exists(entry.path() / "model.onnx")) models.push_back(entry.path());
    std::sort(models.begin(), models.end());
    for (const fs::path& model : models) {
      ++graphs;
      const std::string good = read_file(model / "model.onnx"), name = model.filename().string();
      const std::uint64_t seed = std::stoull(hash_text(name).substr(0, 15), nullptr, 16);
      for (int i = 0; i < mutations_per_graph(); ++i) {
        Rng rng(seed + static_cast<std::uint64_t>(i));
        test::write_text(dir / "model.onnx", mutated(good, rng));
        const std::string fault = fault_of(dir / "model.onnx", &counts);
        if (fault.empty()) continue;
        const fs::path kept = fs::temp_directory_path() / fmt::format("edgeclip-{}-{}.onnx", name, i);
        fs::copy_file(dir / "model.onnx", kept, fs::copy_options::overwrite_existing);
        ADD_FAILURE() << name << ", mutation " << i << ": " << fault << "; kept as " << kept;
      }
    }
  }
  EXPECT_GE(graphs, 30);
  std::printf("%d graphs: %d changed models run, %d refused, %d left as too long\n", graphs, counts.run,
              counts.refused, counts.too_long);
  EXPECT_GT(counts.run, graphs / 8);
  EXPECT_GT(counts.refused, graphs / 4);
}

}  // namespace
}  // namespace edgeclip::builder
