using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using CsCheck;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Scenarios;

/// <summary>In any sequence of steps at two replicas, no customer loses a place and no room exceeds its capacity.</summary>
public sealed class AnySequenceTests(PostgreSqlServer server)
{
    private const int Customers = 8;

    // Entering, ticking and waiting are frequent, because the line would be empty most of the time otherwise.
    private static readonly Gen<StepKind> Kinds = Gen.Frequency(
        (6, Gen.Const(StepKind.Enter)), (6, Gen.Const(StepKind.Tick)), (5, Gen.Const(StepKind.Claim)), (1, Gen.Const(StepKind.Leave)),
        (2, Gen.Const(StepKind.Complete)), (4, Gen.Const(StepKind.Wait)), (1, Gen.Const(StepKind.Capacity)),
        (1, Gen.Const(StepKind.Pause)), (1, Gen.Const(StepKind.Suspend)), (1, Gen.Const(StepKind.Replace)));

    // Up to three concurrent steps, each at either replica.
    private static readonly Gen<Step[][]> Sequences =
        Gen.Select(Kinds, Gen.Int[0, Customers - 1], Gen.Int[0, 1], (kind, customer, replica) => new Step(kind, customer, replica))
            .Array[1, 3].Array[5, 40];

    public static IEnumerable<object[]> Runs => [[DatabaseProvider.Sqlite, 20], [DatabaseProvider.PostgreSql, 20]];

    [Theory, MemberData(nameof(Runs))]
    public async Task Steps_InAnySequence_KeepEntriesOrderAndCapacity(DatabaseProvider provider, int sequences)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2, ("Queue:Interval", $"{SequenceRun.Interval}"),
            ("Queue:ClaimWindow", $"{SequenceRun.ClaimWindow}"), ("Queue:PassLifetime", $"{SequenceRun.PassLifetime}"));

        await Sequences.SampleAsync(sequence => SequenceRun.RunAsync(queue, sequence), iter: sequences, threads: 1, print: Print);
    }

    private static string Print(Step[][] sequence) =>
        string.Join("; ", sequence.Select(steps => string.Join('+', steps.Select(step => $"{step.Kind} {step.Customer}@{step.Replica}"))));
}
