namespace ConcertSaga.Orchestrator.Tickets;

/// <summary>Section <c>Tickets</c>.</summary>
public sealed class TicketOptions
{
    /// <summary>
    /// The PEM file with the keys of tickets; every replica needs the same. Without it, no tickets are issued. AllInOne creates one.
    /// </summary>
    public string? KeyFile { get; set; }
}
