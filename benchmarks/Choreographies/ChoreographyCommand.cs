using System.CommandLine;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Choreographies;

/// <summary>Parameters of one run of <c>choreography</c>.</summary>
/// <param name="Rounds">Maximum number of rounds; the forms take turns in each.</param>
/// <param name="Seconds">A further round starts only if it can end within this time, judged by the one before.</param>
/// <param name="Alone">Reservations of a load with one in flight.</param>
/// <param name="Reservations">Reservations of a load with several in flight.</param>
/// <param name="InFlight">Reservations in flight, and messages each endpoint handles at the same time.</param>
/// <param name="Write">Whether to write the result into the document.</param>
internal sealed record ChoreographyPlan(int Rounds, int Seconds, int Alone, int Reservations, int InFlight, bool Write)
{
    /// <summary>The loads that warm up a form.</summary>
    public IEnumerable<ReservationLoad> Warm => Loads.Select(load => load with { Reservations = (load.Reservations + 2) / 3 });

    /// <summary>The loads of a round, in their order.</summary>
    public ReservationLoad[] Loads =>
    [
        new(Alone, 1, PaymentFails: false), new(Alone, 1, PaymentFails: true),
        new(Reservations, InFlight, PaymentFails: false), new(Reservations, InFlight, PaymentFails: true)
    ];
}

internal static class ChoreographyCommand
{
    public static Command Create()
    {
        var rounds = SagaCommand.Positive("--rounds", "Rounds; the two forms take turns in each.", 3);
        var seconds = SagaCommand.Positive("--seconds", "A further round starts only if it can end within this time.", 165);
        var alone = SagaCommand.Positive("--alone", "Reservations one after the other, per load.", 100);
        var reservations = SagaCommand.Positive("--reservations", "Reservations with several in flight, per load.", 600);
        var inFlight = SagaCommand.Positive("--in-flight", "Reservations in flight.", 64);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command("choreography",
            "The same reservation orchestrated and choreographed: latency, throughput, messages, and a third step that fails.")
        {
            rounds, seconds, alone, reservations, inFlight, write
        };
        command.SetAction((parsed, cancellation) => ChoreographyBenchmark.RunAsync(new ChoreographyPlan(parsed.GetValue(rounds),
            parsed.GetValue(seconds), parsed.GetValue(alone), parsed.GetValue(reservations), parsed.GetValue(inFlight),
            parsed.GetValue(write)), cancellation));
        return command;
    }
}
