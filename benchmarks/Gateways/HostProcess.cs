using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>A server of <see cref="GatewayHosts"/> that ends with this run.</summary>
internal sealed class HostProcess : IDisposable
{
    private readonly Process _process;

    private HostProcess(Process process, Uri address) => (_process, Address) = (process, address);

    public Uri Address { get; }

    public int ProcessId => _process.Id;

    public static async Task<HostProcess> StartAsync(string kind, Tickets tickets, string upstream)
    {
        var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(GatewayHosts).Assembly.Location, GatewayHosts.Name, kind, tickets.Text, upstream])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        })!;
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (!Uri.TryCreate(line, UriKind.Absolute, out var address) || address.Scheme != "http")
                continue;
            // What it says from now on is of no interest, but must not stop it.
            _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
            return new HostProcess(process, address);
        }
        throw new BenchmarkException($"the server '{kind}' did not start.");
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(20)))
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }
}
