import { readdirSync, readFileSync } from 'node:fs';

const CLOCK_TICK_US = 10_000;

/**
 * CPU time in microseconds that a process has used, with the children it has waited for, and with those that live
 * where `children` is set. NaN where there is no /proc.
 */
export function cpuMicroseconds(pid, { children = false } = {}) {
  const own = ticksOf(pid);
  // One that ends between the two looks is NaN here; its time is with its parent's by the next measurement.
  const living = children ? childrenOf(pid).map(ticksOf).filter(Number.isFinite) : [];
  return [own, ...living].reduce((sum, ticks) => sum + ticks, 0) * CLOCK_TICK_US;
}

/** Resident memory of a process in MiB; NaN where there is no /proc. */
export function residentMebibytes(pid) {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`)) ?? [];
  return Number(kilobytes ?? NaN) / 1_024;
}

/** The parent's pid; NaN where there is no /proc. */
export function parentOf(pid) {
  return Number(fieldsOf(pid)[1] ?? NaN);
}

function ticksOf(pid) {
  const fields = fieldsOf(pid);
  return fields.length === 0 ? NaN : [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
}

function childrenOf(pid) {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((child) => parentOf(child) === pid);
}

/** The fields of /proc/PID/stat behind the name, which may hold anything; the first is the state. */
function fieldsOf(pid) {
  const text = read(`/proc/${pid}/stat`);
  return text === '' ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
