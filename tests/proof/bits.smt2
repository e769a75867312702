; SPDX-License-Identifier: BSD-2-Clause
; What the annotations in vmm/iobus/lookup.h admit about 64-bit arithmetic. Each "unsat" says that no
; value contradicts.

; iobus_covers: the difference wraps just when address is below first.
(push)
(declare-const first (_ BitVec 64))
(declare-const length_minus_1 (_ BitVec 64))
(declare-const address (_ BitVec 64))
(assert (bvule length_minus_1 (bvnot first))) ; first + length_minus_1 does not wrap
(assert (not (= (bvule (bvsub address first) length_minus_1)
                (and (bvule first address) (bvule address (bvadd first length_minus_1))))))
(check-sat)
(pop)

; iobus_clamp: CMP sets carry just when maximum is below index; SBB of a register with itself leaves
; minus carry (Intel SDM vol. 2, "CMP", "SBB").
(push)
(declare-const index (_ BitVec 64))
(declare-const maximum (_ BitVec 64))
(define-fun mask () (_ BitVec 64) (bvneg (ite (bvult maximum index) (_ bv1 64) (_ bv0 64))))
(assert (not (= mask (ite (bvule index maximum) (_ bv0 64) (bvnot (_ bv0 64))))))
(check-sat)
(pop)

(push)
(declare-const index (_ BitVec 64))
(declare-const maximum (_ BitVec 64))
(define-fun mask () (_ BitVec 64) (ite (bvule index maximum) (_ bv0 64) (bvnot (_ bv0 64))))
(assert (not (= (bvand index (bvnot mask)) (ite (bvule index maximum) index (_ bv0 64)))))
(check-sat)
(pop)
