// The examples, built against the installed package as another project would: find_package() and pkg-config.
#include <gtest/gtest.h>

#include "embed/shell.h"
#include "embed/small_world.h"

namespace edgeclip::test {
namespace {

namespace fs = std::filesystem;

class InstalledPackage : public EmbedTest {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "the examples are compiled without the sanitizer that the libraries need";
#endif
    for (const char* component : {"lib_engine", "lib_edgeclip", "dev", "sentencepiece"}) {
      const ShellResult install = shell(EDGECLIP_CMAKE " --install " EDGECLIP_BINARY_DIR " --prefix " +
                                        prefix() + " --component " + component);
      ASSERT_EQ(install.code, 0) << install.text;
    }
  }
  std::string prefix() const { return (work_ / "prefix").string(); }
  std::string build(const std::string& example) const { return (work_ / example).string(); }
  void build_by_cmake(const std::string& example) const {
    const std::string source = std::string(EDGECLIP_SOURCE_DIR) + "/examples/" + example;
    const ShellResult made =
        shell(EDGECLIP_CMAKE " -S " + source + " -B " + build(example) + " -DCMAKE_PREFIX_PATH=" + prefix() +
              " && " EDGECLIP_CMAKE " --build " + build(example));
    ASSERT_EQ(made.code, 0) << made.text;
  }
  /// "SCORE  PATH" of the best.
  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

  TempDir work_;
};

TEST_F(InstalledPackage, TheCExampleFindsAPerson) {
  build_by_cmake("embed_c");
  if (HasFatalFailure()) return;
  edgeclip_model* model = nullptr;
  edgeclip_gallery* gallery = nullptr;
  edgeclip_hit hit = {};
  std::size_t found = 0;
  ASSERT_DONE(edgeclip_model_open(world().plan().c_str(), nullptr, &model));
  ASSERT_DONE(edgeclip_gallery_open(world().gallery().c_str(), &gallery));
  ASSERT_DONE(edgeclip_search_text(model, gallery, "a woman with a black bag", 1, &hit, &found));
  const std::string path = world().picture(static_cast<int>(hit.item)),
                    where = world().plan() + " " + world().gallery();
  edgeclip_gallery_close(gallery);
  edgeclip_model_close(model);
  const ShellResult run = shell(build("embed_c") + "/find_person " + where + " 'a woman with a black bag'");
  EXPECT_EQ(run.code, 0) << run.text;
  EXPECT_NE(first_line(run.text).find("  " + path), std::string::npos) << run.text;
  EXPECT_EQ(std::count(run.text.begin(), run.text.end(), '\n'), 5);
  const ShellResult wrong = shell(build("embed_c") + "/find_person /nowhere " + where);
  EXPECT_EQ(wrong.code, 1);
  EXPECT_EQ(wrong.text.rfind("plan: /nowhere", 0), 0u) << wrong.text;
  // The same by pkg-config.
  const std::string program = (work_ / "by_pkg_config").string();
  const ShellResult compiled =
      shell("export PKG_CONFIG_PATH=$(dirname $(find " + prefix() +
            " -name edgeclip.pc)) && cc -std=c99 -Wall -Wextra " +
            "-Werror -pedantic " EDGECLIP_SOURCE_DIR "/examples/embed_c/find_person.c -o " + program +
            " $(pkg-config --cflags --libs edgeclip) -Wl,-rpath,$(pkg-config --variable=libdir edgeclip)");
  ASSERT_EQ(compiled.code, 0) << compiled.text;
  EXPECT_EQ(shell(program + " " + where + " 'a woman with a black bag'").text, run.text);
}

TEST_F(InstalledPackage, TheCppExamplesRun) {
  build_by_cmake("embed_cpp");
  if (HasFatalFailure()) return;
  const ShellResult find = shell(build("embed_cpp") + "/find_person " + world().plan() + " " +
                                 world().gallery() + " " + world().picture(5));
  EXPECT_EQ(find.code, 0) << find.text;
  EXPECT_EQ(first_line(find.text), "1.0000  " + world().picture(5));
  const ShellResult times = shell(build("embed_cpp") + "/layer_times " + world().plan() + " image");
  EXPECT_EQ(times.code, 0) << times.text;
  EXPECT_NE(times.text.find("MatMul"), std::string::npos) << times.text;
  const ShellResult wrong = shell(build("embed_cpp") + "/layer_times " + world().plan() + " video");
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.text.find("has no graph \"video\""), std::string::npos) << wrong.text;
}

}  // namespace
}  // namespace edgeclip::test
