namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>What a variant is to run with.</summary>
/// <param name="Kind">One of <see cref="SagaVariants.Kinds"/>.</param>
/// <param name="Concurrency">Messages an endpoint handles at the same time.</param>
/// <param name="Quorum">Quorum queues instead of classic ones.</param>
/// <param name="Database">The connection string of its own database.</param>
/// <param name="Broker">The address of its own virtual host.</param>
/// <param name="RememberSeconds">How long ours remembers a message; null for its default, which is longer than any burst.</param>
public sealed record SagaSettings(string Kind, int Concurrency, bool Quorum, string Database, Uri Broker, int? RememberSeconds)
{
    /// <summary>Messages an endpoint fetches ahead.</summary>
    public const ushort Prefetch = 256;

    /// <summary>The queue of an endpoint. It carries the variant's name, for brokers whose virtual host is shared.</summary>
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

internal static class SagaVariants
{
    /// <summary>The product's way; the limit of the same tools by hand; and the transport with no database at all.</summary>
    public const string Ours = "ours", Bare = "bare", Stock = "stock";

    public static string[] Kinds { get; } = [Ours, Bare, Stock];

    public static ISagaVariant Create(SagaSettings settings) => settings.Kind switch
    {
        Ours => new OurSagas(settings),
        Bare => new BareSagas(settings),
        _ => new StockSagas(settings)
    };
}
