#include "model/torch_file/torch_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "model/torch_file/pickle.h"
#include "support/support.h"

/// PyTorch's files ($EDGECLIP_PARITY/weight_formats) against the same weights in safetensors.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::invalid_input_of;
using test::TempDir;
using test::write_text;

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

TEST(TorchFileGolden, EveryFormHoldsTheSameTensors) {
  EDGECLIP_REQUIRE_PARITY(folder, "weight_formats");
  EDGECLIP_REQUIRE_PARITY(weights, "tiny_clip/open_clip/model.safetensors");
  const SafetensorsFile expected(weights);
  for (const char* name : {"ordered_dict.pt", "parameters.pt", "legacy.pt", "noncontiguous.pt"}) {
    const TorchFile file(folder / name);
    EXPECT_EQ(file.names().size(), expected.names().size()) << name;
    for (const auto& tensor : expected.names())
      EXPECT_TRUE(same(file.get(tensor), expected.get(tensor))) << name << " " << tensor;
  }
  const TorchFile nested(folder / "nested_module.pt");
  for (const auto& tensor : expected.names())
    EXPECT_TRUE(same(nested.get("state_dict.module." + tensor), expected.get(tensor))) << tensor;
}

TEST(TorchFileGolden, TypesAreThoseOfTheFile) {
  EDGECLIP_REQUIRE_PARITY(folder, "weight_formats");
  EXPECT_EQ(TorchFile(folder / "half.pt").get("visual.proj").dtype(), DType::f16);
  EXPECT_EQ(TorchFile(folder / "bfloat16.pt").get("visual.proj").dtype(), DType::bf16);
  const TorchFile script(folder / "openai_torchscript_mixed.pt");
  EXPECT_EQ(script.get("visual.proj").dtype(), DType::f16);
  EXPECT_EQ(script.get("ln_final.weight").dtype(), DType::f32);
  EXPECT_EQ(script.get("vocab_size").dtype(), DType::i64);
}

TEST(TorchFileGolden, HostileFilesAreRefusedByName) {
  EDGECLIP_REQUIRE_PARITY(folder, "weight_formats");
  TempDir dir;
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  int refused = 0;
  const Json manifest = read_json(folder / "manifest.json");
  for (const auto& [name, entry] : manifest.at("files").items()) {
    if (name.find("hostile/") != 0 || fs::path(name).extension() != ".pt") continue;
    const std::string message = invalid_input_of([&] {
      const TorchFile file(folder / name);
      for (const auto& tensor : file.names()) file.get(tensor);
    });
    for (const auto& part : entry.at("names"))
      EXPECT_NE(message.find(part.get<std::string>()), std::string::npos) << message;
    EXPECT_NE(message.find(fs::path(name).filename().string()), std::string::npos) << message;
    ++refused;
  }
  EXPECT_EQ(refused, 15);
  EXPECT_FALSE(fs::exists("PWNED"));
  fs::current_path(before);
}

PickleValue root_of(std::string_view bytes) {
  const Pickle pickle(&bytes, "p.pkl");
  return pickle.root();
}

TEST(Pickle, PlainValues) {
  using Kind = PickleValue::Kind;
  EXPECT_EQ(root_of({"\x80\x02K\x07.", 5}).integer, 7);
  EXPECT_EQ(root_of({"\x80\x02J\xfe\xff\xff\xff.", 8}).integer, -2);
  EXPECT_EQ(root_of({"\x80\x02\x8a\x01\xff.", 6}).integer, -1);
  EXPECT_EQ(root_of({"\x80\x02X\x02\x00\x00\x00hi.", 10}).text, "hi");
  EXPECT_EQ(root_of({"\x80\x02]q\x00(K\x01K\x02"
                     "e.",
                     12})
                .items.size(),
            2u);
  EXPECT_EQ(root_of({"\x80\x02}(X\x01\x00\x00\x00"
                     "aNu.",
                     13})
                .kind,
            Kind::kDict);
}

TEST(Pickle, WhatIsNoWeightIsRefused) {
  const auto refused = [](std::string_view bytes) { return invalid_input_of([&] { root_of(bytes); }); };
  EXPECT_NE(refused({"\x80\x02"
                     "cos\nsystem\nX\x02\x00\x00\x00ls\x85R.",
                     24})
                .find("os.system"),
            std::string::npos);
  EXPECT_NE(refused({"\x80\x02"
                     "cbuiltins\neval\n.",
                     18})
                .find("builtins.eval"),
            std::string::npos);
  refused(
      {"\x80\x02"
       "cos\nsystem",
       12});                                      // cut off in a name
  refused({"\x80\x02K", 3});                      // cut off in a number
  refused({"\x80\x02.", 3});                      // nothing on the stack
  refused({"\x80\x02X\xff\xff\xff\x7fhi.", 10});  // a text beyond the file
  refused({"\x80\x02h\x07.", 5});                 // a value that was not there
  refused({"\x80\x02t.", 4});                     // no mark
  refused({"\x80\x02i.", 4});                     // an opcode of other writers
  refused({"\x80\x02K\x01K\x02R.", 8});           // a call of a number
}

TEST(Pickle, DeepAndCyclicValuesCostNoStack) {
  std::string deep = "\x80\x02";
  for (int i = 0; i < 200000; ++i) deep += ']';
  for (int i = 1; i < 200000; ++i) deep += 'a';
  EXPECT_EQ(root_of(deep + ".").items.size(), 1u);
  std::string_view self{
      "\x80\x02]q\x00h\x00"
      "a.",
      9};
  EXPECT_EQ(root_of(self).items.size(), 1u);
}

TEST(TorchFile, OtherFilesAreNone) {
  TempDir dir;
  write_text(dir / "a.pt", "hello");
  EXPECT_NE(invalid_input_of([&] { TorchFile(dir / "a.pt"); }).find("a.pt"), std::string::npos);
  write_text(dir / "b.pt", "");
  invalid_input_of([&] { TorchFile(dir / "b.pt"); });
  invalid_input_of([&] { TorchFile(dir / "c.pt"); });
}

}  // namespace
}  // namespace edgeclip
