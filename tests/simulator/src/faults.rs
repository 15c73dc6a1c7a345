//! What goes wrong, and when: planned from the seed, carried out on the nodes.

use crate::simulation::{DOOR_BYTES, Event, Packet, Simulation};
use octroi_replica::{Door, Metrics};

impl Simulation {
    pub(crate) fn plan_faults(&mut self) {
        let (begin, end) = (self.now, self.now + self.scenario.fault_ms);
        let faults = self.scenario.faults;
        let mut at = begin;
        loop {
            at += 1 + self.random.below(2 * faults.crash_every);
            if faults.crash_every == 0 || at >= end {
                break;
            }
            let node = self.random.below(self.nodes.len() as u64) as usize;
            if !self.is_dead(node) {
                self.schedule(at, Event::Cut { node });
            }
        }
        let mut at = begin;
        loop {
            at += 1 + self.random.below(2 * faults.partition_every);
            if faults.partition_every == 0 || at >= end {
                break;
            }
            self.schedule(at, Event::Partition);
            at += 100 + self.random.below(4_000);
            self.schedule(at, Event::Heal);
        }
    }

    pub(crate) fn partition(&mut self) {
        if !self.faulty {
            return;
        }
        let n = self.nodes.len();
        let side: Vec<bool> = (0..n).map(|_| self.random.chance(500)).collect();
        let one_way = self.random.chance(300);
        self.cut_off.clear();
        for a in 0..n {
            for b in 0..n {
                if side[a] != side[b] && (side[a] || !one_way) {
                    self.cut_off.insert((a, b));
                }
            }
        }
    }

    pub(crate) fn crash(&mut self, i: usize) {
        let canary = self.scenario.canary;
        let node = &mut self.nodes[i];
        let Some(replica) = node.replica.take() else { return };
        node.metrics = sum(node.metrics, replica.metrics());
        node.fuse.disarm();
        node.life += 1;
        node.disk.crash(canary);
        node.store.crash(canary);
        node.door = Door::new(self.genesis.network(), DOOR_BYTES);
        node.timers.clear();
        node.asked.clear();
        node.answering.clear();
        node.waiting.clear();
        self.crashes += 1;
        self.trace.part(b"crash").part(&(i as u64).to_be_bytes());
        let at = self.now + 20 + self.random.below(3_000);
        self.schedule(at, Event::Restart { node: i });
        for other in 0..self.nodes.len() {
            if other != i && self.nodes[other].replica.is_some() {
                // The others notice; what they do about it needs no disk.
                let at = self.now + 1 + self.random.below(50);
                self.schedule(at, Event::Deliver { from: i, to: other, packet: Packet::Gone });
            }
        }
    }
}

fn sum(a: Metrics, b: Metrics) -> Metrics {
    Metrics {
        caught_up: a.caught_up + b.caught_up,
        late_rounds: a.late_rounds + b.late_rounds,
        bodies_requested: a.bodies_requested + b.bodies_requested,
        ..b
    }
}
