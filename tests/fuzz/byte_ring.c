// SPDX-License-Identifier: BSD-2-Clause
/* A ring of bytes, its counts near their end, against a plain queue. */
#include "vmm/prompt/byte_ring.h"
#include "tests/fuzz/input.h"

enum { RING_BYTES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    uint8_t storage[RING_BYTES_MAX], sent[RING_BYTES_MAX * 2];
    uint32_t ring_bytes = 1u << input_u8(&input) % 7;
    uint64_t put = 0, consumed = 0; /* byte n of the stream is (uint8_t)(n * 7) */
    struct byte_ring ring;

    byte_ring_init(&ring, storage, ring_bytes);
    /* As after so many bytes. */
    atomic_store(&ring.put_count, UINT32_MAX - 40);
    atomic_store(&ring.consumed_count, UINT32_MAX - 40);
    while (input_left(&input)) {
        uint8_t what = input_u8(&input);
        size_t count = what >> 1, space = byte_ring_space(&ring);

        if (what & 1) {
            for (size_t i = 0; i < count; i++)
                sent[i] = (uint8_t)((put + i) * 7);
            count = byte_ring_put(&ring, sent, count);
            EXPECT(count == (what >> 1 < space ? what >> 1 : space));
            put += count;
        } else {
            const uint8_t *bytes;
            size_t there = byte_ring_peek(&ring, &bytes);

            EXPECT((there == 0) == (put == consumed) && there <= put - consumed);
            for (size_t i = 0; i < there; i++)
                EXPECT(bytes[i] == (uint8_t)((consumed + i) * 7));
            byte_ring_consume(&ring, count);
            consumed += count < put - consumed ? count : put - consumed;
        }
        EXPECT(byte_ring_used(&ring) == put - consumed);
        EXPECT(byte_ring_space(&ring) == ring_bytes - (put - consumed));
    }
    return 0;
}
