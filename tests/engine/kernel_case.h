#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/graph/graph.h"

/// Tables of nodes for which a kernel of the CPU backend is compared with the reference: AgreesWithReference of
/// cpu_kernels_test.cpp, for every instance in any file.
namespace edgeclip::engine::test {

/// One node, the shapes of its inputs (an absent optional input: nothing) and how far the results may differ.
struct KernelCase {
  std::string name, op, domain;
  std::vector<std::optional<Shape>> inputs;
  std::vector<std::size_t> constants;  ///< which inputs are constants
  std::map<std::string, Attribute> attributes;
  double tolerance = 0;  ///< absolute; results are of magnitude 1
  std::string implementation = "onednn:";
  DType dtype = DType::f32;
  int opset = 17;

  friend void PrintTo(const KernelCase& c, std::ostream* out) { *out << c.name << " within " << c.tolerance; }
};

class CpuKernels : public testing::TestWithParam<KernelCase> {};

inline std::string kernel_case_name(const testing::TestParamInfo<KernelCase>& info) { return info.param.name; }

}  // namespace edgeclip::engine::test
