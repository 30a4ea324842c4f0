"""Makes PyPI's PyTorch load on a machine without CUDA's libraries, which are 3 GB to download.

    python stub_cuda.py SITE_PACKAGES

PyPI has the CUDA build of PyTorch alone. It runs on a CPU, but its loader wants the libraries that
it is linked with. Here each of them becomes a file of functions that answer "no device" (100), with
the names and symbol versions that PyTorch's own libraries ask for; it wants cc and readelf. Such a
PyTorch computes on the CPU with the same kernels, and torch.cuda.is_available() says False.
"""
import os
import re
import subprocess
import sys
import tempfile

OURS = re.compile(r"^(__cuda|cu|nccl|nvrtc|nvtx|nvshmem)\w*$")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wanted(folder):
    """({library: {version or "": set of names}}) that PyTorch needs of CUDA."""
    libraries, names = {}, {}
    for file in sorted(f for f in os.listdir(folder) if re.search(r"\.so(\.\d+)?$", f)):
        path = os.path.join(folder, file)
        for need in re.findall(r"NEEDED.*\[(.*?)\]", output("readelf", "-dW", path)):
            if re.match(r"lib(cu|nccl|nv)", need):
                libraries.setdefault(need, {})
        for line in output("readelf", "--dyn-syms", "-W", path).splitlines():
            field = line.split()
            if len(field) < 8 or field[6] != "UND":
                continue
            name, _, version = field[7].partition("@")
            if OURS.match(name):
                names[name] = version.lstrip("@")
    for name, version in names.items():
        # CUDA's version nodes are the libraries' own names; what has none may be anywhere
        home = version if version in libraries else sorted(libraries)[0]
        libraries[home].setdefault(version, set()).add(name)
    return libraries


def build(folder, library, by_version, scratch):
    source, script = os.path.join(scratch, "stub.c"), os.path.join(scratch, "stub.map")
    with open(source, "w") as f:
        for names in by_version.values():
            f.writelines(f"int {name}(void) {{ return 100; }}\n" for name in sorted(names))
    versions = [v for v in by_version if v]
    with open(script, "w") as f:
        for v in versions:
            f.write(f"{v} {{ global: {' '.join(n + ';' for n in sorted(by_version[v]))} }};\n")
    link = [f"-Wl,--version-script={script}"] if versions else []
    target = os.path.join(folder, library)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", target, source, f"-Wl,-soname,{library}", *link],
                   check=True)


def main():
    folder = os.path.join(sys.argv[1], "torch", "lib")
    libraries = wanted(folder)
    with tempfile.TemporaryDirectory() as scratch:
        for library, by_version in libraries.items():
            build(folder, library, by_version, scratch)
    print(f"stub_cuda: {len(libraries)} libraries without content in {folder}")


main()
