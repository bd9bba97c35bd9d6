/*
 * What may come next, decided token by token from outside: a grammar, a list of choices. A struct of functions, because engine/
 * knows nothing of grammars. One constraint belongs to one generation; all calls come from the engine thread, in the order
 *   mask, accept, mask, accept, ...
 * Ends: a constraint whose text may end here allows the stop tokens in its mask (they are not passed to accept), and one that
 * allows nothing more says done after accept: the generation then ends as if a stop token had come. Stop tokens below min_new are
 * still banned, so a generation with a constraint has min_new 0.
 */
#ifndef ENGINE_CONSTRAINT_H
#define ENGINE_CONSTRAINT_H

#include <stdbool.h>
#include <stdint.h>

struct constraint {
    void *self;
    void (*mask)(void *self, uint64_t *allowed);        /* writes ceil(vocab / 64) words: bit id % 64 of word id / 64 */
    bool (*accept)(void *self, int32_t id);             /* false: not allowed here (the generation ends with an error) */
    bool (*done)(void *self);
    void (*free)(void *self);
};

#endif
