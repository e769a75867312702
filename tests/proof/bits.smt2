; What the annotations in vmm/iobus/lookup.h admit about single bit operations. Each "unsat" says that
; no value contradicts.

; iobus_search: half & -(uint32_t)(condition)
(push)
(declare-const half (_ BitVec 32))
(declare-const condition Bool)
(assert (not (= (bvand half (bvneg (ite condition (_ bv1 32) (_ bv0 32))))
                (ite condition half (_ bv0 32)))))
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
