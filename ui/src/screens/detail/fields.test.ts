import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldLabel, formatAddress, formatField, numberField, selectOtherFields } from "./fields";

test("the name of a field becomes words, and its unit the unit of the value", () => {
  const texts = Object.entries({
    cpuMaxFrequencyHertz: "3700000000",
    memoryBytes: "17179869184",
    receiveBytesPerSecond: 2048,
    uptimeSeconds: 7200,
    temperatureCelsius: 38.8,
    cpuUsagePercent: 12.345,
    allocatableCpuCores: 3.9,
    restartCount: "588",
    gpuEnergyJoules: 7.2e6,
    isUnschedulable: false,
  }).map(([name, value]) => `${fieldLabel(name)}: ${formatField(name, value)}`);
  assert.deepEqual(texts, [
    "CPU max frequency: 3.7 GHz",
    "Memory: 16 GiB",
    "Receive: 2 KiB/s",
    "Running for: 2 h",
    "Temperature: 39 °C",
    "CPU usage: 12.3 %",
    "Allocatable CPU: 3.9 cores",
    "Restart count: 588",
    "GPU energy: 2 kWh",
    "Cordoned: no",
  ]);
});

test("a field of a later version reads well, too", () => {
  assert.equal(`${fieldLabel("swapUsedBytes")}: ${formatField("swapUsedBytes", "1073741824")}`, "Swap used: 1 GiB");
  assert.equal(fieldLabel("podIps"), "Pod IPs");
});

test("digits in a text that is no number stay as they are", () => {
  assert.equal(formatField("name", "007"), "007");
  assert.equal(formatField("systemUuid", "0000000000000001"), "0000000000000001");
});

test("a time has its age, and an enum its word", () => {
  assert.match(
    formatField("lastSeenTime", "2020-01-01T00:00:00Z"),
    /^20(19|20)-.* \d\d:\d\d:\d\d UTC[+:\d-]*, [\d,]+ d ago$/,
  );
  assert.equal(formatField("state", "DEVICE_STATE_AVAILABLE"), "available");
});

test("numbers are read from JSON numbers and from 64-bit integers, which are texts", () => {
  assert.equal(numberField({ podCount: "12" }, "podCount"), 12);
  assert.equal(numberField({ cpuCores: 4 }, "cpuCores"), 4);
  assert.ok(Number.isNaN(numberField({}, "cpuCores")));
});

test("an address has its prefix length if that is known", () => {
  assert.equal(formatAddress({ ip: "10.0.0.1", prefixLength: 24 }), "10.0.0.1/24");
  assert.equal(formatAddress({ ip: "10.0.0.1" }), "10.0.0.1");
});

test("the rest is what no section shows and has a value", () => {
  assert.deepEqual(selectOtherFields({ name: "a", kernel: "6.1", empty: [], nothing: "" }, new Set(["name"])), {
    kernel: "6.1",
  });
});
