/**
 * Facts about this boot and this process that a permit page is bound to, and the clock that it is judged by.
 *
 * Node has no way to read CLOCK_BOOTTIME: `process.hrtime` is CLOCK_MONOTONIC, which stands still while the host is suspended,
 * so that after a night's sleep a lease of two seconds would still look fresh. `/proc/uptime` is CLOCK_BOOTTIME, cut to
 * hundredths of a second, in this process's own time namespace. It is read anew for every check: an offset between the two clocks
 * that is kept for later is wrong from the moment of the next suspend on.
 */

import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";

/** The number of CLOCK_BOOTTIME, the only clock that a page may use. */
export const CLOCK_BOOTTIME = 7n;

/** What `/proc/uptime` cuts off, in microseconds. */
const RESOLUTION_US = 10_000;

/** The id of this boot as 32 hex digits. Throws where it cannot be read. */
export function bootId(): string {
  const path = "/proc/sys/kernel/random/boot_id";
  const id = readFileSync(path, "ascii").trim().replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/.test(id)) throw new Error(`${path} does not hold 32 hex digits`);
  return id;
}

/** The inode of this process's time namespace; 0 where the kernel has none. Throws where it cannot be read. */
export function timeNamespace(): bigint {
  try {
    return statSync("/proc/self/ns/time", { bigint: true }).ino;
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return 0n;
    throw error;
  }
}

/** CLOCK_BOOTTIME from above: never before the time at which it was read, and less than 10 ms after. */
export class BootClock {
  readonly #fd: number;
  readonly #text = Buffer.alloc(64);

  /** Opens the clock, and proves that it is the kernel's own. Throws where it is not. */
  constructor(path = "/proc/uptime") {
    this.#fd = openSync(path, "r");
    try {
      this.#prove(path);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Microseconds; no earlier than the moment of this call. Throws where it cannot be read. */
  nowUs(): number {
    const length = readSync(this.#fd, this.#text, 0, 64, 0);
    let hundredths = 0;
    let at = 0;
    let decimals = -1;
    for (; at < length; at += 1) {
      const byte = this.#text[at] as number;
      if (byte >= 0x30 && byte <= 0x39) {
        hundredths = hundredths * 10 + byte - 0x30;
        if (decimals >= 0) decimals += 1;
      } else if (byte === 0x2e && decimals < 0 && at > 0) {
        decimals = 0;
      } else {
        break;
      }
    }
    // Two decimals, then a space: anything else is another file.
    if (decimals !== 2 || this.#text[at] !== 0x20) throw new Error("/proc/uptime does not begin with seconds and hundredths");
    return hundredths * RESOLUTION_US + RESOLUTION_US;
  }

  /** Gives up the descriptor. */
  close(): void {
    closeSync(this.#fd);
  }

  /**
   * Some containers show a `/proc/uptime` of their own (lxcfs): it counts from the container's start, is behind the kernel's, and
   * would let leases live for longer. The kernel says in its own clock when this process started, and since then at least as much
   * time has passed as this process has counted.
   */
  #prove(path: string): void {
    const startedUs = processStartUs();
    const livedUs = Math.floor(process.uptime() * 1e6);
    const nowUs = this.nowUs();
    if (nowUs < startedUs + livedUs) {
      throw new Error(
        `${path} says ${nowUs / 1e6} s, but this process started at ${startedUs / 1e6} s of CLOCK_BOOTTIME and has lived for ` +
          `${livedUs / 1e6} s: what stands there is not the kernel's clock (a container's own?), so that no permit can be judged`,
      );
    }
  }
}

/** When this process started, in microseconds of CLOCK_BOOTTIME, cut to hundredths of a second. */
function processStartUs(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  // The second field may hold spaces and brackets; what follows the last bracket begins with the third.
  const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  if (!Number.isSafeInteger(ticks) || ticks < 0) throw new Error("/proc/self/stat does not say when this process started");
  return ticks * 10_000;
}

export function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error;
}

/** What an unknown error says. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
