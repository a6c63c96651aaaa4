#pragma once

#include <string>

#include "base/json.h"

/// What a caller asked for, told from what merely has its default: so that nothing asked for is dropped.
namespace edgeclip {

/// The part of an option struct's JSON that was asked for: what differs from its default, and what `named`
/// holds, an object of the same nesting (its values do not count; null: nothing is known by name).
Json asked_options(const Json& options, const Json& defaults, const Json& named);

/// Puts what was asked for over base, key by key.
void overlay(Json& base, const Json& asked);

/// The dotted path of the first value of `b` that `a` lacks or has another; "" if there is none.
std::string first_difference(const Json& a, const Json& b);

/// The value at a dotted path, as JSON text; "not set" if there is none.
std::string value_at(const Json& json, const std::string& path);

}  // namespace edgeclip
