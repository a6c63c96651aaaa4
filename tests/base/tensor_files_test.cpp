#include <cstring>

#include "base/file.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(Npy, RoundTripOfEveryType) {
  test::TempDir dir;
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i16,
                            DType::u16, DType::i32, DType::u32, DType::i64, DType::u64, DType::boolean}) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{0, 4}}) {
      Tensor t(dtype, shape);
      for (std::size_t i = 0; i < t.bytes(); ++i)
        t.raw()[i] = static_cast<std::byte>(dtype == DType::boolean ? i % 2 : i * 7);
      write_npy(dir / "a.npy", t);
      for (const Tensor& u : {read_npy(dir / "a.npy"), map_npy(dir / "a.npy")}) {
        ASSERT_EQ(u.dtype(), dtype);
        ASSERT_EQ(u.shape(), shape);
        EXPECT_TRUE(t.bytes() == 0 || std::memcmp(t.raw(), u.raw(), t.bytes()) == 0);
      }
    }
  }
}

TEST(Npy, BFloat16IsWrittenAsMlDtypesDoes) {
  test::TempDir dir;
  write_npy(dir / "a.npy", Tensor(DType::bf16, {3}));
  std::string bytes = read_file(dir / "a.npy");
  ASSERT_NE(bytes.find("'<V2'"), std::string::npos);
  bytes.replace(bytes.find("'<V2'"), 5, "'|V2'");  // what NumPy makes of it
  test::write_text(dir / "a.npy", bytes);
  EXPECT_EQ(read_npy(dir / "a.npy").dtype(), DType::bf16);
}

TEST(Npy, DataAtAnOddPlaceIsAligned) {
  test::TempDir dir;
  write_npy(dir / "a.npy", Tensor::from<float>({3}, {1, 2, 3}));
  std::string bytes = read_file(dir / "a.npy");
  bytes.insert(10, 1, ' ');  // in front of the header's text
  bytes[8] = static_cast<char>(bytes[8] + 1);
  test::write_text(dir / "a.npy", bytes);
  const Tensor t = map_npy(dir / "a.npy");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.raw()) % sizeof(float), 0u);
  EXPECT_EQ(t.data<float>()[2], 3);
}

TEST(Npy, StringsAreUcs4) {
  test::TempDir dir;
  write_npy_strings(dir / "s.npy", {"a", "\xC3\xA9t\xC3\xA9", ""});
  const std::string bytes = read_file(dir / "s.npy");
  EXPECT_NE(bytes.find("'<U3'"), std::string::npos);
  EXPECT_EQ(bytes.size() % 64, 3 * 3 * 4 % 64);
}

TEST(Npy, DamagedFilesAreRefused) {
  test::TempDir dir;
  const auto refused = [&](const std::string& bytes, const char* what) {
    test::write_text(dir / "x.npy", bytes);
    const auto message = test::invalid_input_of([&] { read_npy(dir / "x.npy"); });
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  write_npy(dir / "a.npy", Tensor::from<float>({2, 2}, {1, 2, 3, 4}));
  const std::string good = read_file(dir / "a.npy");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string s = good;
    return s.replace(s.find(from), from.size(), to);
  };
  refused("", "not a .npy file");
  refused(good.substr(0, 8), "not a .npy file");
  refused(good.substr(0, 40), "truncated .npy header");
  refused(good.substr(0, good.size() - 1), "truncated");
  refused(with("<f4", ">f4"), "type");
  refused(with("False", "True "), "Fortran");
  refused(with("(2, 2)", "(99999999999999999999, 2)"), "too large");
  refused(with("(2, 2)", "(4294967296, 4294967296)"), "too large");
  refused(with("(2, 2)", "(-2, 2)"), "malformed shape");
  refused(with("'shape'", "'shepe'"), "no 'shape'");
}

NamedTensors some_tensors() {
  return {{"b.weight", Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6})},
          {"a", Tensor::from<std::int64_t>({2}, {7, -8})},
          {"empty", Tensor(DType::f16, {0, 4})}};
}

TEST(Safetensors, RoundTripWithMetadata) {
  test::TempDir dir;
  write_safetensors(dir / "m.safetensors", some_tensors(), {{"format", "pt"}});
  const SafetensorsFile file(dir / "m.safetensors");
  EXPECT_EQ(file.names().size(), 3u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.get("b.weight").shape(), (Shape{2, 3}));
  EXPECT_EQ(file.get("b.weight").data<float>()[5], 6);
  EXPECT_EQ(file.get("a").data<std::int64_t>()[1], -8);
  EXPECT_NE(test::invalid_input_of([&] { file.get("c"); }).find("tensor \"c\" is missing"),
            std::string::npos);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  test::TempDir dir;
  write_safetensors(dir / "m.safetensors", some_tensors());
  const std::string good = read_file(dir / "m.safetensors");
  for (std::size_t n = 0; n < good.size(); ++n) {
    test::write_text(dir / "t.safetensors", good.substr(0, n));
    EXPECT_THROW(SafetensorsFile(dir / "t.safetensors"), InvalidInput) << n;
  }
}

std::string with_header(const std::string& header, std::size_t data) {
  std::uint64_t n = header.size();
  std::string s(reinterpret_cast<const char*>(&n), 8);
  return s + header + std::string(data, '\0');
}

TEST(Safetensors, HostileHeadersAreRefused) {
  test::TempDir dir;
  const auto refused = [&](const std::string& header, std::size_t data, const char* what) {
    test::write_text(dir / "h.safetensors", with_header(header, data));
    const auto message = test::invalid_input_of([&] { SafetensorsFile{dir / "h.safetensors"}; });
    EXPECT_NE(message.find(what), std::string::npos) << header << " gave " << message;
  };
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4, "outside the file");
  refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "does not fill");
  refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}})", 4,
          "does not fill");
  refused(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "integers");
  refused(R"({"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}})", 4, "unknown");
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "outside");
  refused(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
      6, "overlaps");
  refused(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      2, "twice");
  refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 9, "belong to no tensor");
  refused(R"([1])", 0, "not a JSON object");
  refused("{", 0, "not valid JSON");
  refused(R"({"a":3})", 0, "expected an object");
}

TEST(SafetensorsGolden, ReadsTheReferenceWriter) {
  EDGECLIP_REQUIRE_PARITY(path, "tiny_clip/hf/model.safetensors");
  const SafetensorsFile file(path);
  EXPECT_TRUE(file.contains("logit_scale"));
  EXPECT_EQ(file.get("text_model.embeddings.token_embedding.weight").shape(), (Shape{512, 48}));
}

}  // namespace
}  // namespace edgeclip
