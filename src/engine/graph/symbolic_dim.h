#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace edgeclip::engine {

/// A number that follows from the sizes of a graph's dynamic dimensions: a polynomial with integer
/// coefficients over symbols ("batch", "h") and over quotients, minima, ... of such numbers.  Kept in a
/// normal form; numbers of one form are equal whatever the sizes are, as long as the graph runs with them at
/// all (a window that does not fit, a division by 0, ... is refused when shapes are known).  The reverse does
/// not hold: two forms may always be equal.  Values are cheap to copy and immutable.
class SymbolicDim {
 public:
  static constexpr std::int64_t kNoBound = INT64_MIN;

  /*implicit*/ SymbolicDim(std::int64_t value);
  /// Two symbols of one name are the same number.
  static SymbolicDim symbol(const std::string& name);
  /// A number of which nothing is known: equal to nothing, itself included; so is what is computed from it,
  /// and what becomes too large an expression.
  static SymbolicDim unknown();

  bool is_unknown() const { return unknown_; }
  std::optional<std::int64_t> constant() const;
  /// A lower bound, kNoBound if none is known.  Not part of the form.
  std::int64_t at_least() const { return at_least_; }
  /// The same number, known to be at least that, too.
  SymbolicDim bounded(std::int64_t at_least) const;
  /// "batch", "3*h+1", "(h+1)/2" (rounded down), "min(tokens, 77)"; "?" if unknown.
  std::string text() const;
  /// For these sizes of its symbols; nothing if one is missing, if unknown, on overflow and division by 0.
  std::optional<std::int64_t> evaluate(const std::map<std::string, std::int64_t>& sizes) const;

  friend bool operator==(const SymbolicDim& a, const SymbolicDim& b);
  friend bool operator!=(const SymbolicDim& a, const SymbolicDim& b) { return !(a == b); }
  friend SymbolicDim operator+(const SymbolicDim& a, const SymbolicDim& b);
  friend SymbolicDim operator-(const SymbolicDim& a, const SymbolicDim& b);
  friend SymbolicDim operator*(const SymbolicDim& a, const SymbolicDim& b);

  /// n / d rounded down, for d that is not 0 where it is computed.
  friend SymbolicDim floor_div(const SymbolicDim& n, const SymbolicDim& d);
  friend SymbolicDim min_of(const SymbolicDim& a, const SymbolicDim& b);
  friend SymbolicDim max_of(const SymbolicDim& a, const SymbolicDim& b);
  /// NumPy's rule for one dimension: b where a is 1, else a; they are equal where neither is 1.
  friend SymbolicDim broadcast_of(const SymbolicDim& a, const SymbolicDim& b);
  /// Whether `part`, where it is broadcast to `whole`, always is it: never one that is stretched to more.  False
  /// if not known.
  friend bool surely_spans(const SymbolicDim& part, const SymbolicDim& whole);
  /// float32(a) * scale, computed in float32, rounded down: what Resize does.
  friend SymbolicDim scaled_by(const SymbolicDim& a, float scale);
  /// Whether a >= b always; false if not known.
  friend bool surely_at_least(const SymbolicDim& a, const SymbolicDim& b);

 private:
  struct Atom;
  using AtomPtr = std::shared_ptr<const Atom>;
  using Monomial = std::vector<AtomPtr>;  ///< a product, sorted by the atoms' keys; empty: 1
  struct Before {
    bool operator()(const Monomial& a, const Monomial& b) const;
  };
  using Terms = std::map<Monomial, std::int64_t, Before>;  ///< without coefficients of 0

  explicit SymbolicDim(Terms terms, std::int64_t at_least = kNoBound);
  static SymbolicDim of_atom(Atom atom);
  static std::string key_of(const Terms& terms);
  static std::int64_t bound_of(const Terms& terms);
  static bool add_term(Terms& terms, const Monomial& monomial, std::int64_t coefficient);
  static Monomial common_factor(const Terms& n, const Monomial& of);
  static bool divide(Terms& terms, const Monomial& by);
  static SymbolicDim divide_by_constant(const SymbolicDim& n, std::int64_t d);
  static bool surely_not_negative(SymbolicDim x, int depth);
  static std::string atom_text(const Atom& atom);
  static std::optional<std::int64_t> evaluate_atom(const Atom& atom,
                                                   const std::map<std::string, std::int64_t>& sizes);

  Terms terms_;
  std::int64_t at_least_ = kNoBound;
  bool unknown_ = false;
};

SymbolicDim floor_div(const SymbolicDim& n, const SymbolicDim& d);
SymbolicDim min_of(const SymbolicDim& a, const SymbolicDim& b);
SymbolicDim max_of(const SymbolicDim& a, const SymbolicDim& b);
SymbolicDim broadcast_of(const SymbolicDim& a, const SymbolicDim& b);
bool surely_spans(const SymbolicDim& part, const SymbolicDim& whole);
SymbolicDim scaled_by(const SymbolicDim& a, float scale);
bool surely_at_least(const SymbolicDim& a, const SymbolicDim& b);

/// n / d rounded up, for a constant d > 0.
inline SymbolicDim ceil_div(const SymbolicDim& n, std::int64_t d) { return floor_div(n + (d - 1), d); }

using SymbolicShape = std::vector<SymbolicDim>;

std::string shape_text(const SymbolicShape& shape);  ///< "(batch, 3, (h+1)/2)"
SymbolicDim product_of(const SymbolicShape& shape);  ///< 1 for a scalar

}  // namespace edgeclip::engine
