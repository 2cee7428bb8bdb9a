namespace ConcertSaga.Operations.Owners;

/// <summary>A service that owns a database. Settings and routes have its name.</summary>
public enum Owner
{
    Orchestrator,
    Queue,
    Seats,
    Points,
    Payments,
    DataPlatform,
    Operations
}
