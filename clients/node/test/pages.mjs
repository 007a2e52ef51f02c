// Permit pages as the engine writes them: a new file, filled, then renamed over the old one.

import { closeSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { BootClock } from "../dist/index.js";
import { bootId, timeNamespace } from "../dist/host.js";

export const OPEN = 1;
export const REDUCE = 2;
export const LIVE = 4;
export const REVOKED = 8;
export const LEASE_US = 60_000_000;

export function nowUs() {
  const clock = new BootClock();
  const us = clock.nowUs();
  clock.close();
  return us;
}

/** A word's 64 bits. */
export function word(rights, epoch, deadlineUs) {
  return BigInt(rights) | (BigInt(epoch) % 1024n) << 6n | BigInt(deadlineUs) << 16n;
}

export class Writer {
  constructor(folder) {
    this.path = join(folder, "permit");
  }

  page(epoch, damage = (page) => page) {
    const page = Buffer.alloc(4096);
    page.write("FSPERMT1", 0, "latin1");
    page.writeUInt32LE(1, 8);
    page.writeUInt32LE(4096, 12);
    page.write(bootId(), 0x10, "hex");
    page.writeBigUInt64LE(BigInt(epoch), 0x20);
    page.writeBigUInt64LE(timeNamespace(), 0x28);
    page.writeBigUInt64LE(7n, 0x30);
    page.writeBigUInt64LE(BigInt(LEASE_US), 0x38);
    writeFileSync(`${this.path}.new`, damage(page));
    renameSync(`${this.path}.new`, this.path);
  }

  grant(slot, bits) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(bits);
    const fd = openSync(this.path, "r+");
    writeSync(fd, bytes, 0, 8, 0x40 + 64 * slot);
    closeSync(fd);
  }
}
