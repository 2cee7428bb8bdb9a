using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>One kind of visit to a server, and its figures of each round.</summary>
/// <param name="Name">Its name in the table.</param>
/// <param name="Host">The server.</param>
/// <param name="Visits">Requests that follow each other, of one caller after the other.</param>
internal sealed record LoadVariant(string Name, HostProcess Host, byte[][][] Visits)
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(15);

    private readonly List<Round> _rounds = [];
    private int _begun;

    public Samples PerSecond => Of(round => round.PerSecond);

    public Samples Cpu => Of(round => round.Cpu);

    public Samples ClientCpu => Of(round => round.ClientCpu);

    public Samples Bytes => Of(round => round.Bytes);

    public Samples P50 => Of(round => round.P50);

    public Samples P99 => Of(round => round.P99);

    /// <summary>Runs the variants in turns.</summary>
    public static async Task RunAsync(LoadVariant[] variants, int rounds, TimeSpan time, int connections,
        CancellationToken cancellationToken)
    {
        // Long enough for the runtime to finish compiling: after 3 s it still took a twentieth of the processor time of the rounds.
        foreach (var variant in variants)
            await variant.LoadAsync(connections, WarmUp, cancellationToken);
        for (var round = 0; round < rounds; round++)
        {
            // Alternating order, so that no variant always runs first.
            foreach (var variant in round % 2 == 0 ? variants : variants.Reverse())
                await variant.RunAsync(connections, time, cancellationToken);
        }
    }

    /// <summary>Compared per round, because other load on the machine affects both variants of a round alike.</summary>
    public static Samples Ratio(LoadVariant ours, LoadVariant theirs, Func<Round, double> figure) =>
        new(ours._rounds.Zip(theirs._rounds, (first, second) => figure(first) / figure(second)));

    private async Task RunAsync(int connections, TimeSpan time, CancellationToken cancellationToken)
    {
        var (server, client) = (CpuTime.Of(Host.ProcessId), CpuTime.Of(Environment.ProcessId));
        var load = await LoadAsync(connections, time, cancellationToken);
        var visits = load.Milliseconds.Length;
        _rounds.Add(new Round(load.PerSecond, (CpuTime.Of(Host.ProcessId) - server) * 1000 / visits,
            (CpuTime.Of(Environment.ProcessId) - client) * 1000 / visits, (double)load.Bytes / visits,
            Samples.Percentile(load.Milliseconds, 0.5), Samples.Percentile(load.Milliseconds, 0.99)));
    }

    private Task<LoadResult> LoadAsync(int connections, TimeSpan time, CancellationToken cancellationToken) =>
        HttpLoad.RunAsync(Host.Address, () => Visits[(uint)Interlocked.Increment(ref _begun) % Visits.Length], connections, time,
            cancellationToken);

    private Samples Of(Func<Round, double> figure) => new(_rounds.Select(figure));

    /// <summary>Figures of one round. Processor time is in microseconds per visit.</summary>
    internal sealed record Round(double PerSecond, double Cpu, double ClientCpu, double Bytes, double P50, double P99);
}
