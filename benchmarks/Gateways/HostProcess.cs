using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>A server of <see cref="GatewayHost"/>; it ends with this run.</summary>
internal sealed class HostProcess : IDisposable
{
    private readonly Process _process;

    private HostProcess(Process process, Uri address)
    {
        _process = process;
        Address = address;
    }

    public Uri Address { get; }

    public int ProcessId => _process.Id;

    public static async Task<HostProcess> StartAsync(string kind, TokenFactory tokens, string upstream)
    {
        string[] arguments = [typeof(GatewayHost).Assembly.Location, GatewayHost.Name, kind, tokens.Text, upstream];
        var process = Process.Start(new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        })!;
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (!Uri.TryCreate(line, UriKind.Absolute, out var address) || address.Scheme != "http")
                continue;
            // A full pipe would block the process.
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
