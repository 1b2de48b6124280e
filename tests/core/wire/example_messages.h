// One valid value of every message, every field set.
#ifndef TERN_TESTS_CORE_WIRE_EXAMPLE_MESSAGES_H_
#define TERN_TESTS_CORE_WIRE_EXAMPLE_MESSAGES_H_

#include "core/model/model_spec.h"
#include "core/wire/messages.h"

namespace tern {

ModelSpec ExampleModelSpec();
CheckInRequest ExampleCheckInRequest();
Lease ExampleLease();
Chunk ExampleChunk();
Update ExampleUpdate();

}  // namespace tern

#endif  // TERN_TESTS_CORE_WIRE_EXAMPLE_MESSAGES_H_
