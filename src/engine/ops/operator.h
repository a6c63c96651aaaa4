#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// A tensor in the arena that a kernel writes.
struct OutputView {
  DType dtype = DType::f32;
  Shape shape;
  std::byte* data = nullptr;

  std::int64_t elements() const { return num_elements(shape); }
  TensorView view() const { return {dtype, shape, data}; }
  template <class T>
  T* as() const {
    EDGECLIP_CHECK(dtype == DTypeOf<T>::value, "output is {}, not {}", dtype_name(dtype),
                   dtype_name(DTypeOf<T>::value));
    return reinterpret_cast<T*>(data);
  }
};

/// inputs[i].data is null for an input that is left out.
using Inputs = std::vector<TensorView>;
using Outputs = std::vector<OutputView>;

/// One node made ready for one set of input shapes.  run() is called by one thread at a time per context.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run(const Inputs& inputs, const Outputs& outputs) = 0;
  /// "reference", "onednn:brgemm_avx512_core_vnni", ...: for profiles and tests.
  virtual std::string implementation() const = 0;
};

/// What a shape rule sees and fills: shapes fully known, values known where they are constant or were
/// computed from shapes alone (data != null).
struct ShapeContext {
  const Node& node;
  Inputs inputs;                     ///< data is null where the value is not known yet
  std::vector<DType> output_dtypes;  ///< filled by the rule
  std::vector<Shape> output_shapes;  ///< filled by the rule
};

/// The engine's operators: name, opset range, shape rule and readable reference kernel in one place, a file
/// per family in kernels/reference/.
struct Operator {
  const char* name;
  const char* domain;
  int min_opset, max_opset;      ///< versions of the domain this implementation follows
  void (*infer)(ShapeContext&);  ///< throws InvalidInput (node, operator, reason) for shapes that do not fit
  void (*reference)(const Node&, const Inputs&, const Outputs&);
  /// What check_node() sees to before any rule does: how many inputs and outputs (trailing optional
  /// ones may be left out), and the attributes with their types: "axis:i axes:I! mode:s" (i, f, s, t or I, F,
  /// S for lists; ! = required).
  int min_inputs = 0, max_inputs = kAnyNumber, max_outputs = 1;
  const char* attributes = "";
  bool reads_shapes_only = false;  ///< the kernel never looks at input data (Shape, Size)
  /// The kernel takes float16 and bfloat16 as they are, because it only moves elements or looks at their type
  /// itself (Cast).  All others compute in float32: run_reference_kernel() widens and narrows for them.
  bool takes_16_bit_floats = false;

  static constexpr int kAnyNumber = 1 << 30;
};

/// The rows with Operator::takes_16_bit_floats set.
std::vector<Operator> taking_16_bit_floats(std::vector<Operator> rows);

/// One of Operator::attributes.
struct AttributeRule {
  std::string name;
  char letter = 'i';
  bool required = false;
};

/// Those of a row of operators(), parsed once.
const std::vector<AttributeRule>& attribute_rules(const Operator& row);
/// The letter of an attribute's type; "a list of integers" of a letter.
char attribute_letter(const Attribute& attribute);
const char* attribute_words(char letter);

/// nullptr if unknown.
const Operator* find_operator(const std::string& domain, const std::string& name, int opset);
/// All of them, for documentation and for messages.
const std::vector<Operator>& operators();

/// Runs the row's reference kernel, if any output has elements: with none, loops over what a dimension of 0
/// stands beside could take for ever.
///
/// float16 and bfloat16 are computed in float32: unless the row takes them as they are, their inputs are
/// widened, which is exact, the kernel gives float32, and each result is rounded once to nearest, halves to
/// even.  So Add of bfloat16 is the rounded float32 sum, and a sum over many elements is rounded at its end
/// alone.
void run_reference_kernel(const Operator& row, const Node& node, const Inputs& inputs,
                          const Outputs& outputs);

/// The reference kernel as a Kernel.
std::unique_ptr<Kernel> make_reference_kernel(const Node& node);

}  // namespace edgeclip::engine
