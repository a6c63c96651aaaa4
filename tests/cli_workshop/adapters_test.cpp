#include <gtest/gtest.h>

#include "base/file.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "bundle/bundle.h"
#include "cli/runtime/commands.h"
#include "cli/workshop/workshop_commands.h"
#include "retrieval/encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

/// Commands over the checkpoint of the golden formats, which has an adapter.
class AdapterCommands : public testing::Test {
 protected:
  static Json run(const std::unique_ptr<Command>& command, const std::vector<std::string>& settings) {
    CommonOptions common;
    common.set = settings;
    return command->run(common);
  }
  static std::string refused(const std::unique_ptr<Command>& command, const std::vector<std::string>& settings) {
    return test::invalid_input_of([&] { run(command, settings); });
  }
  static std::string fixture() { return test::golden("formats/v1/checkpoint").string(); }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  Tensor encoded(const std::string& checkpoint, const std::string& adapter) const {
    test::write_text(at("texts.txt"), "a person in a red shirt\n");
    run(encode_command(open_checkpoint_encoder),
        {"checkpoint=" + checkpoint, "adapter=" + adapter, "texts=" + at("texts.txt"), "out=" + at("encoded")});
    return read_npy(at("encoded/text.npy"));
  }
  static double distance(const Tensor& a, const Tensor& b) {
    double largest = 0;
    for (std::int64_t i = 0; i < a.elements(); ++i)
      largest = std::max<double>(largest, std::abs(a.data<float>()[i] - b.data<float>()[i]));
    return largest;
  }

  const test::TempDir dir_;
};

TEST_F(AdapterCommands, KeepSeveralAndChooseOne) {
  const Json report = run(adapters_command(),
                          {"checkpoint=" + fixture(), "add=[\"night=" + fixture() + "\"]", "out=" + at("both")});
  EXPECT_EQ(report["adapters"], Json({"default", "night"}));
  EXPECT_EQ(report["adapter"], "default");
  EXPECT_EQ(report["base"], fixture());
  EXPECT_FALSE(fs::exists(dir_ / "both/model.safetensors"));
  const Tensor own = encoded(fixture(), ""), night = encoded(at("both"), "night"), none = encoded(at("both"), "none");
  EXPECT_EQ(distance(own, night), 0);
  EXPECT_GT(distance(own, none), 1e-6);
  EXPECT_EQ(distance(none, encoded(fixture(), "none")), 0);

  run(merge_command(), {"checkpoint=" + at("both"), "adapter=night", "out=" + at("merged")});
  EXPECT_TRUE(fs::exists(dir_ / "merged/model.safetensors"));
  EXPECT_LE(distance(encoded(at("merged"), ""), own), 1e-5);
  const Json less = run(adapters_command(), {"checkpoint=" + at("both"), "drop=[\"default\"]", "save_base=true",
                                             "out=" + at("less")});
  EXPECT_EQ(less["adapter"], "night");
  EXPECT_TRUE(fs::exists(dir_ / "less/model.safetensors"));
  EXPECT_EQ(distance(encoded(at("less"), ""), own), 0);
  EXPECT_EQ(distance(encoded(at("less"), at("both")), own), 0) << "the folder of another";
}

TEST_F(AdapterCommands, ExportTheOneThatIsNamed) {
  run(adapters_command(), {"checkpoint=" + fixture(), "add=[\"night=" + fixture() + "\"]", "out=" + at("both")});
  const auto weights = [&](const std::string& adapter) {
    const Json report = run(export_command(), {"checkpoint=" + at("both"), "adapter=" + adapter, "out=" + at("bundle"),
                                               "verify=false", "overwrite=true"});
    EXPECT_EQ(report["adapter_merged"], adapter != "none");
    const Json history = read_json(at("bundle/bundle.json"))["provenance"].back();
    EXPECT_EQ(history["options"]["adapter"], adapter);
    return SafetensorsFile(at("bundle/reference.safetensors")).get(std::string("image/b1/") + kImageEmbeds);
  };
  const Tensor usual = weights(""), night = weights("night"), folder = weights(fixture()), none = weights("none");
  EXPECT_EQ(distance(usual, night), 0);
  EXPECT_EQ(distance(usual, folder), 0);
  EXPECT_GT(distance(usual, none), 1e-6);

  const auto refusal = [&](std::vector<std::string> settings) {
    settings.insert(settings.end(), {"checkpoint=" + at("both"), "out=" + at("out")});
    return refused(export_command(), settings);
  };
  EXPECT_NE(refusal({"adapter=nigth"}).find("--adapter nigth: is neither a folder nor an adapter of"), std::string::npos);
  EXPECT_NE(refusal({"adapter=separate"}).find("--separate-adapter"), std::string::npos);
  EXPECT_NE(refusal({"separate_adapter=true"}).find("--format hf"), std::string::npos);
  EXPECT_NE(refusal({"separate_adapter=true", "format=hf", "adapter=none"}).find("--separate-adapter"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(AdapterCommands, NameWhatIsNotThere) {
  const auto add = [&](const std::string& what) {
    return refused(adapters_command(), {"checkpoint=" + fixture(), "add=[\"" + what + "\"]", "out=" + at("out")});
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(add("night"), "--add night: expected NAME=DIR"));
  EXPECT_TRUE(has(add("a/b=" + fixture()), "cannot name an adapter"));
  EXPECT_TRUE(has(add("none=" + fixture()), "cannot name an adapter"));
  EXPECT_TRUE(has(add("default=" + fixture()), "there is one of this name"));
  EXPECT_TRUE(has(add("night=" + at("nowhere")), "holds no adapter_config.json"));
  EXPECT_TRUE(has(refused(adapters_command(), {"checkpoint=" + fixture(), "drop=[\"default\"]", "out=" + at("out")}),
                  "no adapter is left"));
  EXPECT_TRUE(has(refused(merge_command(), {"checkpoint=" + fixture(), "adapter=nigth", "out=" + at("out")}),
                  "--adapter nigth: is neither a folder nor an adapter of"));
  EXPECT_TRUE(has(refused(encode_command(open_checkpoint_encoder),
                          {"plan=p", "adapter=night", "texts=" + at("t"), "out=" + at("out")}),
                  "--adapter night: a plan holds one model"));
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  // What is written over must not be the base.
  run(adapters_command(), {"checkpoint=" + fixture(), "add=[\"night=" + fixture() + "\"]", "save_base=true",
                           "out=" + at("base")});
  run(adapters_command(), {"checkpoint=" + at("base"), "out=" + at("light")});
  EXPECT_NE(refused(merge_command(), {"checkpoint=" + at("light"), "out=" + at("base"), "overwrite=true"}), "");
}

}  // namespace
}  // namespace edgeclip
