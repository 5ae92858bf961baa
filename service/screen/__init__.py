"""The desk's screen: a Streamlit application that knows only the address of the API."""
