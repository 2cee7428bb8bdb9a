using System.Reflection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>
/// Repeated work derives from PeriodicTask, which logs an outage in two lines, or has its own OutageLog. Any other loop would log every
/// failure.
/// </summary>
public sealed class BackgroundWorkTests
{
    private const string Background = "ConcertSaga.Shared.Hosting.Background.";

    // Services without repeated work, and the reasons.
    private static readonly Dictionary<string, string> Others = new()
    {
        ["Dispatcher"] = "hands each due delivery to a sender as soon as one is free",
        ["ConcertAnnouncer"] = "publishes the concerts once, at the start; Queue compares them periodically"
    };

    [Fact]
    public void BackgroundServices_OfTheProduct_ArePeriodicTasks() =>
        // Shared.Persistence has its own log, because it does not reference Shared.Hosting.
        Rule.HasNoExceptions(Product.Assemblies.Where(assembly => assembly.GetName().Name != "ConcertSaga.Shared.Persistence")
            .SelectMany(assembly => assembly.GetTypes())
            .Where(type => type is { IsClass: true, IsAbstract: false } && typeof(BackgroundService).IsAssignableFrom(type)
                && !IsPeriodic(type))
            .Select(type => type.Name.Split('`')[0]).Where(name => !Others.ContainsKey(name))
            .Select(name => $"{name} is a BackgroundService; derive it from PeriodicTask, or give the reason in this test."));

    [Fact]
    public void Cleaners_OfTheProduct_RestBetweenBatches() =>
        // The cleaner of Shared.Persistence deletes one batch; OutboxDelivery rests after it.
        Rule.HasNoExceptions(Product.Code.Where(file => file.EndsWith("Cleaner.cs", StringComparison.Ordinal)
            && !file.StartsWith("tests/", StringComparison.Ordinal) && !file.StartsWith("Shared.Persistence/", StringComparison.Ordinal)
            && !Product.Read(file).Contains(".DeleteInBatchesAsync<", StringComparison.Ordinal)
            && !Product.Read(file).Contains(".ThenRestAsync(", StringComparison.Ordinal))
            .Select(file => $"{file} deletes without a rest; use DeleteInBatchesAsync or ThenRestAsync."));

    private static bool IsPeriodic(Type type) => type.BaseType is { } parent
        && (parent.FullName == Background + "PeriodicTask" || HasOutageLog(type) || IsPeriodic(parent));

    private static bool HasOutageLog(Type type) =>
        type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic).Any(field => field.FieldType.FullName == Background + "OutageLog");
}
