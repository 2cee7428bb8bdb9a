namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>Settings of a variant.</summary>
/// <param name="Kind">One of <see cref="SagaVariantFactory.Kinds"/>.</param>
/// <param name="Concurrency">Messages an endpoint handles at the same time.</param>
/// <param name="Quorum">Quorum queues instead of classic ones.</param>
/// <param name="Database">Connection string of its own database.</param>
/// <param name="Broker">Address of its own virtual host.</param>
/// <param name="RememberSeconds">Deduplication window of ours in seconds; null for its default, which is longer than any burst.</param>
public sealed record SagaSettings(string Kind, int Concurrency, bool Quorum, string Database, Uri Broker, int? RememberSeconds)
{
    /// <summary>Messages an endpoint fetches ahead.</summary>
    public const ushort Prefetch = 256;

    /// <summary>The queue of an endpoint. The variant's name keeps queues apart on a shared virtual host.</summary>
    public string QueueOf(string endpoint) => $"{Kind}-{endpoint}";
}

/// <summary>One way to run the saga.</summary>
internal interface ISagaVariant : IAsyncDisposable
{
    /// <summary>Creates tables and queues and starts consuming.</summary>
    Task StartAsync();

    /// <summary>Sends the first message of a saga; returns when the broker has confirmed it.</summary>
    Task SendStartAsync(Guid sagaId);
}

internal static class SagaVariantFactory
{
    /// <summary>
    /// The product's way, the limit with the same tools, the transport without a database, and the program of MassTransit's documentation.
    /// </summary>
    public const string Ours = "ours", Bare = "bare", Stock = "stock", Documented = "documented";

    public static string[] Kinds { get; } = [Ours, Bare, Stock, Documented];

    public static ISagaVariant Create(SagaSettings settings) => settings.Kind switch
    {
        Ours => new OurSagaVariant(settings),
        Bare => new BareSagaVariant(settings),
        Documented => new DocumentedSagaVariant(settings),
        _ => new StockSagaVariant(settings)
    };
}
