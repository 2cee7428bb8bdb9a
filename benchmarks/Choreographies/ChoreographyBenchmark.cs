using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Choreographies;

/// <summary>
/// Runs the same reservation in both forms, in turns on the same servers, each form with its own database and virtual host. After each
/// round, it checks in the databases that every reservation has ended as a whole.
/// </summary>
internal static class ChoreographyBenchmark
{
    public static async Task<int> RunAsync(ChoreographyPlan plan, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        await using var servers = await ServerPair.StartAsync();
        var machine = await Machine.DescribeAsync(await servers.Database.ConnectionStringAsync(),
            new Uri(await servers.Broker.ConnectionStringAsync()));
        Console.WriteLine(machine);
        await using var orchestrated = await ReservationRun.StartAsync(servers, new OrchestratedForm(), plan.InFlight);
        await using var choreographed = await ReservationRun.StartAsync(servers, new ChoreographedForm(), plan.InFlight);
        ReservationRun[] forms = [orchestrated, choreographed];
        foreach (var form in forms)
        {
            foreach (var load in plan.Warm)
                await form.RunAsync(load, cancellation);
        }
        var rounds = 0;
        var last = TimeSpan.Zero;
        while (rounds < plan.Rounds && (watch.Elapsed + last).TotalSeconds < plan.Seconds)
        {
            rounds++;
            var start = watch.Elapsed;
            // Each form is first in every other round.
            foreach (var form in rounds % 2 == 1 ? forms : forms.Reverse())
            {
                await form.StartRoundAsync();
                foreach (var load in plan.Loads)
                    Console.WriteLine($"round {rounds}, {form.Name}: {await form.MeasureAsync(load, cancellation)}");
                await form.CheckAsync();
            }
            last = watch.Elapsed - start;
        }

        var text = $"""
            {machine}
            {plan.InFlight} messages at a time on each endpoint; {rounds} interleaved rounds of {plan.Alone} reservations alone and
            {plan.Reservations} with {plan.InFlight} in flight, each without and with a payment that fails. Median (minimum–maximum).
            DOTNET_GCgen0size: {Environment.GetEnvironmentVariable("DOTNET_GCgen0size") ?? "the default"}.

            {TableOf(plan, forms)}
            {RatiosOf(plan, orchestrated, choreographed)}
            """;
        Console.WriteLine();
        Console.WriteLine(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("choreography", text);
        var faults = forms.SelectMany(form => form.Faults).ToList();
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        Console.WriteLine(faults.Count == 0
            ? $"Totals are right in {rounds} rounds: each reservation is confirmed and paid, or released and refunded. "
                + "The outboxes are empty."
            : "Totals are wrong.");
        Console.WriteLine($"It took {watch.Elapsed.TotalSeconds:0} s.");
        return faults.Count == 0 ? 0 : 1;
    }

    private static string TableOf(ChoreographyPlan plan, ReservationRun[] forms)
    {
        var table = new Table("load, form", "reservations/s", "p50 ms", "p99 ms", "undo p50 ms", "CPU ms: app", "PostgreSQL", "RabbitMQ",
            "messages", "commits");
        foreach (var load in plan.Loads)
        {
            foreach (var form in forms)
            {
                string Of(Func<ReservationMeasurement, double> figure, string format) =>
                    new Samples(form.Figures(load, figure)).ToText(format);
                table.Add($"{load.Name}, {form.Name}", Of(m => m.PerSecond, "0"), Of(m => m.P50, "0.0"), Of(m => m.P99, "0.0"),
                    Of(m => m.Undo, "0.0"), Of(m => m.AppCpu, "0.00"), Of(m => m.DatabaseCpu, "0.00"), Of(m => m.BrokerCpu, "0.00"),
                    Of(m => m.Messages, "0.0"), Of(m => m.Commits, "0.0"));
            }
        }
        return table.ToString();
    }

    private static string RatiosOf(ChoreographyPlan plan, ReservationRun orchestrated, ReservationRun choreographed)
    {
        var table = new Table("orchestrated ÷ choreographed, same round", "reservations/s", "p50", "p99", "undo p50", "CPU", "messages",
            "commits");
        foreach (var load in plan.Loads)
        {
            string Of(Func<ReservationMeasurement, double> figure) => new Samples(orchestrated.Figures(load, figure)
                .Zip(choreographed.Figures(load, figure), (own, other) => own / other)).ToText("0.00");
            table.Add(load.Name, Of(m => m.PerSecond), Of(m => m.P50), Of(m => m.P99), Of(m => m.Undo), Of(m => m.Cpu),
                Of(m => m.Messages), Of(m => m.Commits));
        }
        return table.ToString();
    }
}
