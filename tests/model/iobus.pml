/* SPDX-License-Identifier: BSD-2-Clause */
/* Publication and reclaim of vmm/iobus, for Spin: any number of exits on two vCPUs, two writers,
 * and x86's store buffers between them. tests/model/run.py says what is run and what has to fail.
 *
 * Machine. A CPU's plain store goes to its own FIFO buffer and reaches memory at any later time
 * (proctype drain); a load sees the CPU's own buffered stores first; a locked instruction waits for
 * the buffer to be empty. That is x86-TSO (Sewell et al., "x86-TSO", CACM 53(7), 2010; Intel SDM
 * vol. 3A, "Memory Ordering"). Relaxed, acquire and release accesses are MOV there, sequentially
 * consistent loads too; sequentially consistent stores and test-and-set are XCHG. What only holders
 * of the lock touch needs no buffer: the store that unlocks comes behind it in the same FIFO.
 * One step makes at most one access that another CPU can observe the order of; fresh memory that
 * a single store publishes afterwards is read in one step.
 *
 *   here                C                                                  store, by the machine above
 *   reader              run.c's run loop: begin, accesses, quiesce or park
 *   begin               iobus_reader_begin, iobus_reader_unpark            PARKED: XCHG, SEEN: MOV
 *   access              iobus_access: the table, its layout, who is dead (iobus_target_is_dead),
 *                       the handler's call; a handler may call iobus_update (-DHANDLER)
 *   quiesce             iobus_reader_quiesce                               SEEN: MOV
 *   park                iobus_reader_park                                  PARKED: XCHG
 *   update              iobus_update, apply, prepare_removals, prepare_additions
 *   new_layout          prepare_layout with iobus_layout_build             LAYOUT: MOV
 *   bury                prepare_layout without memory: bury                DEAD: MOV
 *   publish             commit, iobus_table_set (CONTENT: MOV), iobus_publish  TABLE: MOV, EPOCH: XCHG
 *   collect             iobus_collect, quiescent_epoch, free_table; iobus_finish, which C calls later:
 *                       a completion here comes at the earliest moment there is
 *   reclaim             iobus_reclaim, compact
 *   lock, unlock        spinlock.h                                         LOCK: XCHG, MOV
 *
 * Left out: what has no part in the order of things (slots, counters, addresses, the direct index),
 * attaching and detaching readers (under the lock, and only parked ones), failing updates (they
 * publish nothing). A reader here begins as an attached one does, parked.
 *
 * Properties, each an assertion but the last; -DONLY_x leaves but one of them in:
 *   FREED       no reader uses a table or a layout that has been freed
 *   COMPLETION  no reader is in a device's handler after the completion of its removal
 *   WHOLE       a table shows exactly the devices that were registered when it was published
 *   LOST        whoever holds the lock finds every update made before
 *   LIVE        every completion comes, if readers always quiesce or park again, buffers drain and
 *               somebody keeps calling iobus_reclaim (weak fairness; -DLIVENESS)
 *
 * A table is numbered by its publication and its number never used again, so "freed" stays true.
 * Devices 0 and 1 are there at the start and are removed; device 2 is added. */

#ifndef WRITERS
#define WRITERS 2
#endif
#define READERS 2
#define CPUS    (READERS + WRITERS)
#ifndef TABLES
#define TABLES 6 /* the first, one per update (3), one per compaction after a burial (2) */
#endif
#define NEVER 255

/* Memory. */
#define LOCK          0
#define EPOCH         1
#define TABLE         2
#define SEEN(r)       (3 + (r))
#define PARKED(r)     (5 + (r))
#define CONTENT(t)    (7 + (t))
#define LAYOUT(l)     (7 + TABLES + (l))
#define DEAD(l, d)    (7 + 2 * TABLES + 2 * (l) + (d)) /* 0: alive, else removal_count from which dead */
#define MEMORY        (7 + 4 * TABLES)

/* Contents of a table: which layout, removal_count. Of a layout: the devices among its targets. */
#define FILLED             128
#define TABLE_OF(l, count) (FILLED | (count) << 4 | (l))
#define COUNT_OF(content)  ((content) >> 4 & 7)
#define LAYOUT_OF(content) ((content) & 15)
#define BIT(d)             (1 << (d))

#if defined(ONLY_FREED) || defined(ONLY_COMPLETION) || defined(ONLY_WHOLE) || defined(ONLY_LOST)
#define ONLY
#endif
#if !defined(ONLY) || defined(ONLY_FREED)
#define FREED(holds) assert(holds)
#else
#define FREED(holds) skip
#endif
#if !defined(ONLY) || defined(ONLY_COMPLETION)
#define COMPLETION(holds) assert(holds)
#else
#define COMPLETION(holds) skip
#endif
#if !defined(ONLY) || defined(ONLY_WHOLE)
#define WHOLE(holds) assert(holds)
#else
#define WHOLE(holds) skip
#endif
#if !defined(ONLY) || defined(ONLY_LOST)
#define LOST(holds) assert(holds)
#else
#define LOST(holds) skip
#endif

byte memory[MEMORY];
chan buffer[CPUS] = [5] of { byte, byte }; /* address, value */

/* Under the lock. */
chan retired = [TABLES] of { byte };
byte retired_epoch[TABLES];
byte removed[TABLES];       /* the device whose completion waits for this table, as a bit */
byte registrations[TABLES]; /* of a layout */
byte removal_count[TABLES]; /* of a layout */
byte table_count[TABLES];   /* of a layout */
byte newest;                /* table */

/* What the properties speak of; no step depends on it. */
bool table_freed[TABLES], layout_freed[TABLES];
byte shows[TABLES]; /* devices registered when the table was published */
byte registered;    /* devices, after all updates so far */
byte owed, done;    /* completions, by device */


#ifdef WITHOUT_LOCK
#define hidden /* a search by breadth knows nothing hidden */
#endif
hidden byte at, value, entries; /* inside one indivisible step only */

inline store(cpu, address, what) { buffer[cpu]!address, what }

inline exchange(cpu, address, what)
{
    atomic { empty(buffer[cpu]) -> memory[address] = what }
}

/* Inside d_step. */
inline load(cpu, address, result)
{
    result = memory[address];
    entries = len(buffer[cpu]);
    do
    :: entries > 0 ->
        buffer[cpu]?at, value;
        if
        :: at == address -> result = value
        :: else
        fi;
        buffer[cpu]!at, value;
        entries--
    :: else -> break
    od;
    entries = 0
}

proctype drain(byte cpu)
{
    byte address, what;

end:
    do
    :: atomic {
        buffer[cpu]?address, what;
        memory[address] = what;
        address = 0;
        what = 0
    }
    od
}

inline lock(cpu)
{
#ifdef WITHOUT_LOCK
    skip
#else
    atomic { empty(buffer[cpu]) && memory[LOCK] == 0 -> memory[LOCK] = 1 }
#endif
}

inline unlock(cpu)
{
    store(cpu, LOCK, 0)
}

/* A writer's variables, of vCPUs too, since a handler may update. */
#define WRITER_VARIABLES                                                                           \
    byte old, content, layout, targets, count, number, epoch, oldest;                              \
    bool is_waiting

inline quiescent_epoch(cpu, whom)
{
    d_step {
        load(cpu, PARKED(whom), is_waiting);
#ifdef WAIT_FOR_PARKED
        is_waiting = true
#else
        is_waiting = !is_waiting
#endif
    };
    if
    :: d_step {
        is_waiting ->
        load(cpu, SEEN(whom), count);
        oldest = (count < oldest -> count : oldest);
        count = 0;
        is_waiting = false
    }
    :: !is_waiting
    fi
}

/* Frees nothing yet: the caller does, with free_up_to(). */
inline collect(cpu)
{
    if
    :: empty(retired)
    :: d_step { nempty(retired) -> oldest = NEVER };
        quiescent_epoch(cpu, 0);
        quiescent_epoch(cpu, 1)
    fi
}

inline free_up_to(last)
{
    d_step {
        old = 0;
#ifdef FREE_EARLY
        last = NEVER;
#endif
        do
        :: len(retired) > 0 ->
            retired?<old>;
            if
            :: retired_epoch[old] <= last ->
                retired?old;
                table_freed[old] = true;
                layout = LAYOUT_OF(memory[CONTENT(old)]);
                table_count[layout]--;
#ifdef SHARED_LAYOUT_FREED
                layout_freed[layout] = true;
#else
                layout_freed[layout] = table_count[layout] == 0;
#endif
                done = done | removed[old];
                removed[old] = 0;
                retired_epoch[old] = 0
            :: else -> break
            fi;
        :: else -> break
        od;
        old = 0;
        layout = 0
    }
}

/* Table `number`, made of `layout`, in place of `old`. */
inline publish(cpu, device)
{
#ifndef PUBLISH_BEFORE_FILL
    store(cpu, CONTENT(number), TABLE_OF(layout, removal_count[layout]));
#endif
    d_step { load(cpu, EPOCH, epoch); epoch++ };
#ifdef EPOCH_BEFORE_TABLE
    exchange(cpu, EPOCH, epoch);
#endif
    store(cpu, TABLE, number);
#ifdef PUBLISH_BEFORE_FILL
    store(cpu, CONTENT(number), TABLE_OF(layout, removal_count[layout]));
#endif
#if defined(EPOCH_UNFENCED)
    store(cpu, EPOCH, epoch);
#elif !defined(EPOCH_BEFORE_TABLE)
    exchange(cpu, EPOCH, epoch);
#endif
    d_step {
#ifdef RETIRED_ONE_EARLY
        retired_epoch[old] = epoch - 1;
#else
        retired_epoch[old] = epoch;
#endif
        removed[old] = device;
        owed = owed | device;
#ifdef COMPLETE_EARLY
        done = done | device;
#endif
        retired!old;
        old = 0;
        layout = 0;
        number = 0;
        epoch = 0
    }
}

/* old, layout: what is in force. */
inline current(cpu)
{
    d_step {
        load(cpu, TABLE, old);
        load(cpu, CONTENT(old), content);
        layout = LAYOUT_OF(content);
        content = 0;
        LOST(registrations[layout] == registered)
    }
}

inline new_layout(cpu)
{
    d_step {
        newest++;
        number = newest;
        layout = number;
        registrations[layout] = targets;
        table_count[layout] = 1;
        shows[number] = registered
    };
    store(cpu, LAYOUT(number), FILLED | targets);
    targets = 0
}

inline bury(cpu, device)
{
    d_step {
        newest++;
        number = newest;
        removal_count[layout]++;
        table_count[layout]++;
        registrations[layout] = targets;
        targets = 0;
        shows[number] = registered
    };
#ifdef BURIED_FOR_ALL
    store(cpu, DEAD(layout, device >> 1), removal_count[layout] - 1)
#else
    store(cpu, DEAD(layout, device >> 1), removal_count[layout])
#endif
}

/* The sets of devices `addition` and `removal`; the latter is 0 or one of the devices 0 and 1. */
inline update(cpu, addition, removal)
{
    lock(cpu);
    collect(cpu);
    atomic {
        free_up_to(oldest);
        current(cpu);
        targets = (registrations[layout] & ~(removal)) | addition;
        registered = (registered & ~(removal)) | addition;
        if
        :: new_layout(cpu)
#ifdef BURIAL
        :: addition == 0 -> bury(cpu, removal)
#endif
        fi;
        publish(cpu, removal)
    };
    collect(cpu);
    atomic {
        free_up_to(oldest);
        unlock(cpu)
    }
}

inline reclaim(cpu)
{
    lock(cpu);
    collect(cpu);
    atomic {
        free_up_to(oldest);
        current(cpu);
        if
#ifdef BURIAL
        :: removal_count[layout] != 0 ->
            targets = registrations[layout];
            new_layout(cpu);
            publish(cpu, 0)
#endif
        :: true -> old = 0; layout = 0 /* nothing to compact, or no memory */
        fi
    };
    collect(cpu);
    atomic {
        free_up_to(oldest);
        unlock(cpu)
    }
}

inline quiesce(r)
{
    d_step { load(r, EPOCH, epoch); load(r, SEEN(r), count) };
    if
    :: epoch == count
    :: else ->
#ifndef NEVER_MARKED
        store(r, SEEN(r), epoch)
#endif
    fi;
    epoch = 0;
    count = 0
}

inline begin(r)
{
    if
    :: atomic {
        is_parked ->
        is_parked = false;
#ifdef UNPARK_UNFENCED
        store(r, PARKED(r), 0)
#else
        exchange(r, PARKED(r), 0)
#endif
        };
        atomic {
            d_step { load(r, EPOCH, epoch) };
            store(r, SEEN(r), epoch);
            epoch = 0
        }
    :: !is_parked
    fi
}

/* Up to the return of the handler: last_use() comes with the next step, as late as can be. */
inline access(r)
{
    d_step {
        load(r, TABLE, used_table);
        FREED(!table_freed[used_table]);
        load(r, CONTENT(used_table), content);
        used_layout = LAYOUT_OF(content);
        FREED(!layout_freed[used_layout]);
        load(r, LAYOUT(used_layout), targets);
        WHOLE((content & FILLED) && (targets & FILLED));
        targets = targets & 7
    };
#ifdef MARK_BEFORE_USE
    atomic { quiesce(r) };
#endif
    atomic {
        load(r, DEAD(used_layout, 0), count);
        targets = targets & ~(count != 0 && COUNT_OF(content) >= count -> 1 : 0);
        load(r, DEAD(used_layout, 1), count);
        targets = targets & ~(count != 0 && COUNT_OF(content) >= count -> 2 : 0);
        content = 0;
        count = 0;
        WHOLE(targets == shows[used_table]);
        if
        :: targets & 1 -> used_device = 1
        :: targets & 2 -> used_device = 2
        :: targets & 4 -> used_device = 4
        :: targets == 0
        fi;
        targets = 0;
        FREED(!table_freed[used_table] && !layout_freed[used_layout]);
        COMPLETION(!(used_device & done))
    };
#ifdef HANDLER
    if
    :: r == 1 && !has_updated ->
        has_updated = true;
        update(r, 0, 2)
    :: true
    fi
#endif
}

inline last_use()
{
    FREED(!table_freed[used_table] && !layout_freed[used_layout]);
    COMPLETION(!(used_device & done));
    used_table = 0;
    used_layout = 0;
    used_device = 0
}

proctype reader(byte r)
{
    WRITER_VARIABLES;
    byte used_table, used_layout, used_device;
    bool is_parked = true; /* as this CPU sees PARKED(r) */
    bool has_updated;

    do
    :: begin(r);
exit:
        access(r);
        if
#ifndef LIVENESS
        :: atomic { last_use(); goto exit } /* one more access in the same exit */
#endif
#ifdef MARK_BEFORE_USE
        :: atomic { last_use() }
#else
        :: atomic { last_use(); quiesce(r) }
#endif
        :: atomic {
            empty(buffer[r]) ->
            last_use();
            exchange(r, PARKED(r), 1);
            is_parked = true
            };
            if
            :: true -> goto end_halted
            :: true
            fi
        fi
    od;
end_halted:
    false
}

proctype writer(byte w)
{
    WRITER_VARIABLES;

    if
    :: w == READERS ->
#ifdef TWICE
        update(w, 0, 1);
        update(w, 4, 0);
#else
        update(w, 4, 1);
#endif
        do
        :: reclaim(w)
        od
    :: else -> update(w, 0, 2)
    fi
}

init
{
    d_step {
        memory[EPOCH] = 1;
        memory[PARKED(0)] = 1;
        memory[PARKED(1)] = 1;
        memory[CONTENT(0)] = TABLE_OF(0, 0);
        memory[LAYOUT(0)] = FILLED | 3;
        registrations[0] = 3;
        registered = 3;
        shows[0] = 3;
        table_count[0] = 1
    };
    atomic {
        run reader(0);
        run reader(1);
        run writer(READERS);
#if WRITERS > 1
        run writer(READERS + 1);
#endif
        run drain(0);
        run drain(1);
        run drain(2);
#if WRITERS > 1
        run drain(3);
#endif
    }
}

#ifdef LIVENESS
ltl every_completion_comes { [] <> (owed == done) }
#endif
