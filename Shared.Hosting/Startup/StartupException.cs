namespace ConcertSaga.Shared.Hosting;

/// <summary>Reports that the process cannot start. The operator sees its message as one line.</summary>
public sealed class StartupException(string message) : Exception(message);
